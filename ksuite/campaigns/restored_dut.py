# SPDX-License-Identifier: GPL-2.0-or-later
"""A DUT whose every use is a pristine guest, restored with a variant's modules already loaded."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from ksuite.campaigns.dut import Dut
from ksuite.dut import modules as dut_modules
from ksuite.errors import DutError, InfrastructureError, KernelFault, KsuiteError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ksuite.machines.image_machine import RestoredMachine
    from ksuite.machines.machine import Call
    from ksuite.machines.snapshot import Snapshot


class RestoredDut(Dut):
    """Every use gets a guest of its own, the same to the last bit whoever used others before.

    The first use of a variant loads its modules into a guest and saves that; the next are restored
    from there. So loading is done, and proven, once.

    :param run_directory: a private directory for mailboxes and saved guests.
    :param saved: the states that other processes have saved already, by their build's key.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        run_directory: Path,
        modules: Sequence[str],
        saved: dict[str, Path] | None = None,
    ) -> None:
        super().__init__(snapshot.release, modules)
        self._snapshot = snapshot
        self._run_directory = run_directory
        self._saving = defaultdict[str, threading.Lock](threading.Lock)
        self.saved = dict(saved or {})

    def use(self, variant: str) -> None:
        """Take a fresh guest with the variant's modules."""
        self.retire()
        self.discard()
        self._blamed = variant
        self.save(variant)
        saved = self._snapshot.at(self.saved[self._builds[variant].key])
        self._machine = saved.restore(self._run_directory)
        self._variant = variant

    def use_for(self, variant: str, function: Callable[..., Any], *args: Any) -> Any:
        """Call in a guest that is used for nothing else; see `run_alone`."""
        return self.run_alone(variant, [(function, args, {})])[0]

    def run_alone(
        self, variant: str, calls: Sequence[Call], more_arguments: Sequence[str] = ()
    ) -> list[Any]:
        """Load the variant, run calls, and unload, in one go in a guest that does nothing else.

        Between two messages the guest's clock may leap to its next timer: a cost is only exact
        where all that comes before it came in one. Threads can do this side by side.

        :param more_arguments: for QEMU.
        :raises KsuiteError: as `use` and `call`; modules that don't unload are a `DutError`.
        """
        self._must_be_tried()
        names = [module.name for module in self._builds[variant].modules]
        unloading: Call = (dut_modules.unload, (names,), {})
        with self._snapshot.restore(self._run_directory, more_arguments) as machine:
            running, *results, _ = self._first_answers(
                variant,
                machine,
                [self._loading(variant), *calls, unloading],
                # Who changes QEMU's arguments has themselves to blame.
                counts=not more_arguments,
            )
        self._must_be_built(variant, running)
        return results

    def save(self, variant: str) -> None:
        """Have a variant's modules loaded in a saved guest, unless one is there.

        :raises KsuiteError: as `use`.
        """
        key = self._builds[variant].key
        with self._saving[key]:
            if key not in self.saved:
                self.saved[key] = self._load_and_save(variant)

    def _load_and_save(self, variant: str) -> Path:
        self._must_be_tried()
        state = self._run_directory / f"{self._builds[variant].key}.state"
        with self._snapshot.restore(self._run_directory) as machine:
            (running,) = self._first_answers(variant, machine, [self._loading(variant)])
            self._must_be_built(variant, running)
            machine.save(state)
        return state

    def _first_answers(
        self, variant: str, machine: RestoredMachine, calls: Sequence[Call], *, counts: bool = True
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
        self._must_be_release(machine)
        return results
