# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines that only keep books, and the builds that are loaded into them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ksuite.dut import modules
from ksuite.errors import DutError, InfrastructureError, KernelFault
from ksuite.kernels.build import BuiltModule, ModuleBuild
from ksuite.measure.result import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ksuite.errors import KsuiteError
    from ksuite.machines.machine import Call

RELEASE = "6.1.0-1-amd64"
PANIC = KernelFault("panic", "Kernel panic - not syncing")
IN_USE = DutError("unload vhost_net: Resource temporarily unavailable")
GONE = InfrastructureError("the guest ended")
NAMES = ("vhost", "vhost_net")
WAIT_SECONDS = 10
"""What a test waits for something that comes at once where all is well."""


def work() -> None:
    """Stand for a scenario; a guest only takes its name."""


def build(variant: str, directory: Path) -> ModuleBuild:
    """Return modules whose files hold nothing but the build-id that they will be known by."""
    built = []
    for name in NAMES:
        path = directory / variant / f"{name}.ko"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(f"{variant}-{name}".encode())
        built.append(BuiltModule(name, path, f"{variant}-{name}", ""))
    return ModuleBuild(variant, tuple(built), cached=True)


class Guest:
    """A machine that notes what it is asked to do, and answers or raises what a test wants.

    :param does: what happens in the place of some functions; called with the guest and arguments.
    """

    def __init__(self, does: dict[Callable[..., Any], Callable[..., Any]]) -> None:
        self.release = ""
        self.kernel = RELEASE
        self.console = ""
        self.asked: list[tuple[str, Any]] = []
        self.runs = 0
        self.loaded: dict[str, str] = {}
        self.closing = threading.Event()
        self.stillborn: KsuiteError | None = None
        self.trouble: dict[Callable[..., Any], KsuiteError] = {}
        self._does = does

    @property
    def closed(self) -> bool:
        return self.closing.is_set()

    @property
    def did(self) -> list[str]:
        """The names of what it was asked to do."""
        return [name for name, _ in self.asked]

    @property
    def variant(self) -> str:
        """Whose modules were loaded."""
        return self.loaded["vhost"].partition("-")[0] if self.loaded else ""

    def wait_ready(self) -> None:
        if self.stillborn:
            raise self.stillborn
        self.release = self.kernel

    def call(
        self, function: Callable[..., Any], /, *args: Any, timeout: float | None = None, **_: Any
    ) -> Any:
        return self.run([(function, args, {})], timeout)[0]

    def run(self, calls: Sequence[Call], timeout: float | None = None) -> list[Any]:
        assert not self.closed
        assert timeout is None
        self.wait_ready()
        self.runs += 1
        return [self._answer(function, args) for function, args, _ in calls]

    def _answer(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        self.asked.append((function.__name__, args[0] if args else None))
        if function in self.trouble:
            raise self.trouble[function]
        if function in self._does:
            return self._does[function](self, *args)
        if function is modules.load:
            return self.load(args[0])
        return "answer"

    def load(self, images: dict[str, bytes]) -> dict[str, str]:
        self.loaded = {name: image.decode() for name, image in images.items()}
        return self.loaded

    def close(self) -> None:
        self.closing.set()


class Guests:
    """All guests that were started, in order; each gets the troubles that are set by then.

    :param directory: where the modules of both variants are put.
    """

    def __init__(self, directory: Path) -> None:
        self.all: list[Guest] = []
        self.builds = {variant: build(variant, directory) for variant in VARIANTS}
        self.kernel = RELEASE
        self.stillborn: KsuiteError | None = None
        self.trouble: dict[Callable[..., Any], KsuiteError] = {}
        self.does: dict[Callable[..., Any], Callable[..., Any]] = {}

    def __len__(self) -> int:
        return len(self.all)

    def __getitem__(self, index: int) -> Guest:
        return self.all[index]

    def boot(self) -> Guest:
        guest = Guest(self.does)
        guest.kernel = self.kernel
        guest.stillborn = self.stillborn
        guest.trouble = dict(self.trouble)
        self.all.append(guest)
        return guest

    @property
    def alive(self) -> list[Guest]:
        return [guest for guest in self.all if not guest.closed]
