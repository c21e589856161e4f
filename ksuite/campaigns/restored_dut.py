# SPDX-License-Identifier: GPL-2.0-or-later
"""A DUT whose every use is a pristine guest, restored; the next one is got ready meanwhile."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ksuite.campaigns.dut import Dut
from ksuite.dut import modules as dut_modules
from ksuite.errors import DutError, InfrastructureError, KernelFault, KsuiteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksuite.machines.machine import Call, Machine


class _Preparation:
    """A guest that is restored and loads a variant in the background.

    :param loading: the call that loads it.
    """

    def __init__(self, boot: Callable[[], Machine], variant: str, loading: Call) -> None:
        self.variant = variant
        self._loading = loading
        self._answer: Any = None
        self._error: BaseException | None = None
        self.machine = boot()
        self._thread = threading.Thread(target=self._load, name="ks-spare", daemon=True)
        self._thread.start()

    def _load(self) -> None:
        try:
            (self._answer,) = self.machine.run([self._loading])
        except BaseException as error:  # noqa: BLE001 (it is raised where the answer is wanted)
            self._error = error

    def answer(self) -> Any:
        """Return what loading answered, or raise what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._answer

    def close(self) -> None:
        """Throw the guest away."""
        self.machine.close()
        self._thread.join()


class RestoredDut(Dut):
    """Every use gets a guest of its own, the same to the last bit whoever used others before."""

    _spare: _Preparation | None = None

    def start(self) -> None:
        """Do nothing: a guest is up as soon as it is wanted."""

    def use(self, variant: str) -> None:
        """Take a fresh guest with the variant's modules."""
        self.retire()
        self.discard()
        self._blamed = variant
        self._must_be_tried()
        ready, self._spare = self._spare, None
        if ready is not None and ready.variant != variant:
            ready.close()
            ready = None
        ready = ready or self._prepare(variant)
        self._machine = ready.machine
        try:
            running = self._first_answer(variant, ready.machine, ready.answer)
            self._must_be_built(variant, running)
        except KsuiteError:
            self.discard()
            raise
        self._variant = variant
        self._spare = self._prepare(variant)

    def use_for(self, variant: str, function: Callable[..., Any], *args: Any) -> Any:
        """Load the variant, call, and unload, in one go: the guest does the same each time.

        The guest is used for nothing else, so that threads can do this side by side.
        """
        self._must_be_tried()
        machine = self._boot()
        names = [module.name for module in self._builds[variant].modules]
        unloading: Call = (dut_modules.unload, (names,), {})
        calls = [self._loading(variant), (function, args, {}), unloading]
        try:
            running, result, _ = self._first_answer(variant, machine, lambda: machine.run(calls))
        finally:
            machine.close()
        self._must_be_built(variant, running)
        return result

    def close(self) -> None:
        """End every guest."""
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.close()
        super().close()

    def _prepare(self, variant: str) -> _Preparation:
        return _Preparation(self._boot, variant, self._loading(variant))

    def _first_answer(self, variant: str, machine: Machine, answer: Callable[[], Any]) -> Any:
        """Return an answer of a guest that has only just come up."""
        try:
            result = answer()
        except KsuiteError as error:
            self.faults[variant] += isinstance(error, (KernelFault, DutError))
            self._failed_boots += isinstance(error, InfrastructureError) and not machine.release
            raise
        self._must_be_release(machine)
        return result
