# SPDX-License-Identifier: GPL-2.0-or-later
"""A DUT whose every use is a pristine guest, restored with a variant's modules already loaded."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from ksuite.campaigns.dut import Answer, Dut
from ksuite.campaigns.recalling import RecallingMachine
from ksuite.dut import conntrack as dut_conntrack
from ksuite.dut import modules as dut_modules
from ksuite.errors import DutError, InfrastructureError, KernelFault, KsuiteError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from ksuite.campaigns.recalling import Answers
    from ksuite.machines.image_machine import RestoredMachine
    from ksuite.machines.machine import Call, Machine
    from ksuite.machines.snapshot import Snapshot


class RestoredDut(Dut):
    """Every use gets a guest of its own, the same one whoever used others before.

    The first use of a variant loads its modules into a guest and saves that; the next are restored
    from there. So loading is done, and proven, once.

    :param others: what variants that have a kernel of their own are restored from.
    :param run_directory: a private directory for mailboxes and saved guests.
    :param saved: the states that other processes have saved already, by their build's key.
    :param answers: what guests have answered in earlier runs.
    :param recalls: the variants whose guests need not be asked again.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        run_directory: Path,
        modules: Sequence[str],
        saved: dict[str, Path] | None = None,
        *,
        answers: Answers | None = None,
        recalls: Collection[str] = (),
        others: Mapping[str, Snapshot] | None = None,
        finds_leaks: bool = False,
    ) -> None:
        super().__init__(snapshot.release, modules, finds_leaks=finds_leaks)
        self._usual = snapshot
        self._others = dict(others or {})
        self._run_directory = run_directory
        self._saving = defaultdict[str, threading.Lock](threading.Lock)
        self._answers = answers
        self._recalls = frozenset(recalls)
        self.saved = dict(saved or {})

    def use(self, variant: str) -> None:
        """Take a fresh guest with the variant's modules.

        Where leaks are looked for, which takes longer than most checks, one guest serves as long as
        it lives, and is looked through when it is retired. What earlier checks have left in its
        connection table is forgotten.
        """
        if self._finds_leaks and self._machine is not None and self._variant == variant:
            self.call(dut_conntrack.forget)
            return
        self.retire()
        self.discard()
        self._blamed = variant
        self.save(variant)
        before = [[self._loading(variant)]]
        self._machine = self._guest(variant, lambda: self._restore(variant), before)
        self._variant = variant

    def use_for(
        self, variant: str, function: Callable[..., Any], *args: Any, repeat: int = 0
    ) -> Answer:
        """Call in a guest that is used for nothing else; see `run_alone`."""
        self._must_be_tried()
        start = partial(self._snapshot(variant).restore, self._run_directory)
        with closing(self._guest(variant, start, repeat=repeat)) as machine:
            (result,) = self._ask_alone(variant, machine, [(function, args, {})])
            return Answer(result, recalled=_recalled(machine))

    @property
    def recalled(self) -> bool:
        """Whether no guest had to be started since the last `use`."""
        return _recalled(self._machine)

    def run_alone(
        self, variant: str, calls: Sequence[Call], more_arguments: Sequence[str] = ()
    ) -> list[Any]:
        """Load the variant, run calls, and unload, in one go in a guest that does nothing else.

        Between two messages the guest's clock leaps to its next tick: a cost is the same only
        where as many came before it. Threads can do this side by side.

        :param more_arguments: for QEMU.
        :raises KsuiteError: as `use` and `call`; modules that don't unload are a `DutError`.
        """
        self._must_be_tried()
        with self._snapshot(variant).restore(self._run_directory, more_arguments) as machine:
            # Who changes QEMU's arguments has themselves to blame.
            return self._ask_alone(variant, machine, calls, counts=not more_arguments)

    def _ask_alone(
        self, variant: str, machine: Machine, calls: Sequence[Call], *, counts: bool = True
    ) -> list[Any]:
        names = [module.name for module in self._builds[variant].modules]
        unloading: Call = (dut_modules.unload, (names,), {})
        message = [self._loading(variant), *calls, unloading]
        running, *results, _ = self._first_answers(variant, machine, message, counts=counts)
        self._must_be_built(variant, running)
        return results

    def _guest(
        self,
        variant: str,
        start: Callable[[], RestoredMachine],
        before: Sequence[Sequence[Call]] = (),
        repeat: int = 0,
    ) -> RestoredMachine | RecallingMachine:
        if self._answers is None or variant not in self._recalls:
            return start()
        snapshot = self._snapshot(variant)
        answers = self._answers.of(snapshot)
        return RecallingMachine(start, snapshot.release, answers, before, repeat)

    def _snapshot(self, variant: str) -> Snapshot:
        return self._others.get(variant, self._usual)

    def _restore(self, variant: str) -> RestoredMachine:
        return self._snapshot(variant).at(self._saved(variant)).restore(self._run_directory)

    def save(self, variant: str) -> None:
        """Have a variant's modules loaded in a saved guest, unless one is there or was once.

        :raises KsuiteError: as `use`.
        """
        if not self._was_loaded(variant):
            self._saved(variant)

    def _was_loaded(self, variant: str) -> bool:
        """Whether a guest of an earlier run has loaded it, and this one's may never be needed."""
        if self._answers is None or variant not in self._recalls:
            return False
        answers = self._answers.of(self._snapshot(variant)).recall([[self._loading(variant)]])
        if answers is not None:
            self._must_be_built(variant, *answers)
        return answers is not None

    def _saved(self, variant: str) -> Path:
        key = self._builds[variant].key
        with self._saving[key]:
            if key not in self.saved:
                self.saved[key] = self._load_and_save(variant)
        return self.saved[key]

    def _load_and_save(self, variant: str) -> Path:
        self._must_be_tried()
        state = self._run_directory / f"{self._builds[variant].key}.state"
        with self._snapshot(variant).restore(self._run_directory) as machine:
            loading = [self._loading(variant)]
            (running,) = self._first_answers(variant, machine, loading)
            self._must_be_built(variant, running)
            machine.save(state)
        if self._answers is not None and variant in self._recalls:
            self._answers.of(self._snapshot(variant)).keep([loading], [running])
        return state

    def _first_answers(
        self, variant: str, machine: Machine, calls: Sequence[Call], *, counts: bool = True
    ) -> list[Any]:
        """Return the answers of a guest that has only just come up."""
        try:
            results = machine.run(calls)
        except KsuiteError as error:
            if counts:
                self.faults[variant] += isinstance(error, (KernelFault, DutError))
                unborn = isinstance(error, InfrastructureError) and not machine.release
                self._failed_boots += unborn
            raise
        self._must_be_release(machine, self._snapshot(variant).release)
        return results


def _recalled(machine: Machine | None) -> bool:
    return isinstance(machine, RecallingMachine) and machine.recalled
