# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines that only keep books, and the builds that are loaded into them."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import pytest

from ksuite.campaigns.bench import Prepared
from ksuite.campaigns.costs import ROUNDS, WINDOWS
from ksuite.dut import loops, modules
from ksuite.dut import setup as dut_setup
from ksuite.dut import symbols as dut_symbols
from ksuite.errors import DutError, InfrastructureError, KernelFault
from ksuite.kernels.built import BuiltModule, ModuleBuild
from ksuite.machines.machine import MachineSpec
from ksuite.machines.qemu import DutFiles
from ksuite.machines.snapshot import Snapshot
from ksuite.measure.result import BASE, VARIANTS
from tests.unit.measure.samples import FINGERPRINT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksuite.campaigns.dut import Dut
    from ksuite.errors import KsuiteError
    from ksuite.machines.image_machine import RestoredMachine
    from ksuite.machines.machine import Call

RELEASE = "6.1.0-1-amd64"
PANIC = KernelFault("panic", "Kernel panic - not syncing")
IN_USE = DutError("unload vhost_net: Resource temporarily unavailable")
GONE = InfrastructureError("the guest ended")
NAMES = ("vhost", "vhost_net")
PACKETS = WINDOWS * ROUNDS * loops.batch("vhost_rx")
"""What all windows of a cost handle."""
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
        self.restored_from: Path | None = None
        self.more_arguments: tuple[str, ...] = ()
        self.saved = False
        self.closing = threading.Event()
        self.stillborn: KsuiteError | None = None
        self.unsavable: KsuiteError | None = None
        self.trouble: dict[Callable[..., Any], KsuiteError] = {}
        self._does = does

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
        assert not self.saved, "what was saved can't go on"
        assert timeout is None or calls[0][0] is dut_setup.settle
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

    def save(self, state: Path) -> None:
        assert self.release, "only what has answered can be saved"
        if self.unsavable:
            raise self.unsavable
        self.saved = True
        state.write_text(json.dumps(self.loaded))

    def close(self) -> None:
        self.closing.set()


class Guests:
    """All guests that were started, in order; each gets the troubles that are set by then.

    :param directory: where the modules of both variants are put.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.all: list[Guest] = []
        self.builds = {variant: build(variant, directory) for variant in VARIANTS}
        self.kernel = RELEASE
        self.stillborn: KsuiteError | None = None
        self.stillborn_once: KsuiteError | None = None
        self.unsavable: KsuiteError | None = None
        self.trouble: dict[Callable[..., Any], KsuiteError] = {}
        self.does: dict[Callable[..., Any], Callable[..., Any]] = {}

    def __len__(self) -> int:
        return len(self.all)

    def __getitem__(self, index: int) -> Guest:
        return self.all[index]

    def boot(self) -> Guest:
        guest = Guest(self.does)
        guest.kernel = self.kernel
        guest.stillborn = self.stillborn or self.stillborn_once
        self.stillborn_once = None
        guest.unsavable = self.unsavable
        guest.trouble = dict(self.trouble)
        self.all.append(guest)
        return guest

    def snapshot(self) -> Snapshot:
        """Return what they are restored from, before anything is loaded."""
        pristine = self.directory / "pristine"
        pristine.write_text("{}")
        return GuestSnapshot(**vars(snapshot(pristine)), guests=self)

    @property
    def alive(self) -> list[Guest]:
        return [guest for guest in self.all if not guest.closed]


@dataclass(frozen=True)
class GuestSnapshot(Snapshot):
    """A snapshot whose guests only keep books; a state is the names of what is loaded."""

    guests: Guests

    def restore(self, run_directory: Path, more_arguments: Sequence[str] = ()) -> RestoredMachine:
        assert run_directory.is_dir()
        guest = self.guests.boot()
        guest.restored_from = self.state
        guest.more_arguments = tuple(more_arguments)
        guest.loaded = json.loads(self.state.read_text())
        return cast("RestoredMachine", guest)


def snapshot(state: Path) -> Snapshot:
    """Return a snapshot that no guest can be restored from."""
    files = DutFiles(*map(Path, ("/boot/vmlinuz", "/initrd", "/root", "/kernel", "/qemu")))
    return Snapshot(files, MachineSpec(), state, RELEASE, "5eed", "c0ffee", {"bash": "5.2"})


def prepared() -> Prepared:
    """Return what a check might have prepared; no module is there that could be loaded."""
    builds = {
        variant: ModuleBuild(
            variant,
            tuple(
                BuiltModule(name, Path(f"/store/{variant}/{name}.ko"), f"{variant}-{name}", "")
                for name in NAMES
            ),
            cached=variant == BASE,
        )
        for variant in VARIANTS
    }
    return Prepared(
        builds=builds,
        conditions=FINGERPRINT,
        release=RELEASE,
        kernel="6.1.192",
        image=Path("/boot/vmlinuz"),
        kvm=False,
        qemu=Path("/qemu"),
        snapshot=snapshot(Path("/store/state")),
        saved={variant: Path(f"/run/{variant}.state") for variant in VARIANTS},
    )


KALLSYMS = b"""\
ffffffff81000000 T schedule
ffffffffc0001000 t handle_rx\t[vhost_net]
"""
MAPS = b"00400000-00800000 r-xp 00000000 00:00 0    /usr/bin/python3.11\n"
HANDLE_RX, SCHEDULE, PYTHON = 0xFFFFFFFFC0001010, 0xFFFFFFFF81000010, 0x00400010


def break_off(dut: Dut) -> None:
    """End a DUT as Ctrl-C does while it is in use."""

    def interrupted() -> None:
        with dut:
            dut.use("base")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


class Plugin:
    """Counts in the place of QEMU's plugin: so many instructions a packet, by variant.

    Of these 60 are in schedule(), 40 in Python, all others in handle_rx().
    """

    def __init__(self, guests: Guests, levels: dict[str, int]) -> None:
        self.path = Path("/store/count.so")
        self.outputs: list[Path] = []
        self._levels = levels
        guests.does[dut_symbols.kernel] = lambda _: KALLSYMS
        guests.does[dut_symbols.process] = lambda _: MAPS

    def count(self, guest: Guest) -> None:
        """Write the file, where a guest was started with the plugin."""
        if not guest.more_arguments:
            return
        option, told = guest.more_arguments
        place, _, output = told.partition(",output=")
        assert (option, place) == ("-plugin", f"file={self.path}")
        self.outputs.append(Path(output))
        places = {HANDLE_RX: self._levels[guest.variant] - 100, SCHEDULE: 60, PYTHON: 40}
        lines = (f"{place:x} {count * PACKETS:x}\n" for place, count in places.items())
        Path(output).write_text("".join(lines))
