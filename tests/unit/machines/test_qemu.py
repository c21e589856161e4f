# SPDX-License-Identifier: GPL-2.0-or-later
"""The command that runs a DUT from images; nothing is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from ksuite.dut.mailbox import MAILBOX_BYTES
from ksuite.machines.machine import MachineSpec
from ksuite.machines.qemu import DutFiles, qemu_command

MAILBOX = Path("/run/mailbox")
SPEC = MachineSpec()
MIB = 1 << 20
IMAGES = {"root": 6 * MIB, "kernel": 4 * MIB}
ALONE = {"-nodefaults", "-no-user-config", "-no-reboot", "-S"}
"""Options that no value follows."""


def make_files(place: Path) -> DutFiles:
    place.mkdir(exist_ok=True)
    for name, size in IMAGES.items():
        with (place / name).open("wb") as file:
            file.truncate(size)
    names = ("vmlinuz", "initrd", "root", "kernel", "qemu")
    return DutFiles(*(place / name for name in names))


@pytest.fixture
def files(tmp_path: Path) -> DutFiles:
    return make_files(tmp_path)


def options(command: list[str]) -> list[tuple[str, str]]:
    """Return the options of a command, with their values."""
    found = []
    words = iter(command[1:])
    for word in words:
        assert word.startswith("-")
        found.append((word, "" if word in ALONE else next(words)))
    return found


def values(command: list[str], name: str) -> list[str]:
    return [value for option, value in options(command) if option == name]


def value(command: list[str], name: str) -> str:
    (only,) = values(command, name)
    return only


def properties(text: str) -> dict[str, str]:
    """Read an option's value as QEMU does (util/keyval.c): two commas are one, in a value."""
    parts = [part.replace("\0", ",") for part in text.replace(",,", "\0").split(",")]
    return {"": parts[0]} | dict(part.split("=", 1) for part in parts[1:])


def memory(command: list[str]) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """Return the backend and the device of each piece of persistent memory, by its name."""
    backends = [properties(text) for text in values(command, "-object")]
    devices = {
        told["memdev"]: told
        for told in map(properties, values(command, "-device"))
        if told[""] == "nvdimm"
    }
    assert len(devices) == len(backends)
    return {backend["id"]: (backend, devices[backend["id"]]) for backend in backends}


def test_images_are_shared_and_can_not_be_written(files: DutFiles) -> None:
    """Private memory would be part of a snapshot, and a guest's writes everybody's."""
    seen = memory(qemu_command(files, SPEC, MAILBOX, paused=False))
    assert set(seen) == {"root", "kernel", "mailbox"}
    for name, path in (("root", files.root), ("kernel", files.kernel_files)):
        backend, device = seen[name]
        assert backend == {
            "": "memory-backend-file",
            "id": name,
            "share": "on",
            "readonly": "on",
            "mem-path": str(path),
            "size": str(IMAGES[name]),
        }
        assert device["unarmed"] == "on"


def test_mailbox_is_shared_and_can_be_written(files: DutFiles) -> None:
    backend, device = memory(qemu_command(files, SPEC, MAILBOX, paused=False))["mailbox"]
    assert (backend["share"], backend["mem-path"]) == ("on", str(MAILBOX))
    assert backend["size"] == str(MAILBOX_BYTES)
    assert "readonly" not in backend
    assert "unarmed" not in device


@pytest.mark.parametrize("name", ["a,b", "a,,b", ",", "a=b,readonly=off", "a b"])
def test_any_path_is_one_value(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    files = make_files(place)
    seen = memory(qemu_command(files, SPEC, place / "mailbox", paused=False))
    for wanted in ("root", "kernel", "mailbox"):
        assert seen[wanted][0]["mem-path"] == str(place / wanted)
    assert seen["root"][0]["readonly"] == "on"


def test_kernel_and_initrd_are_the_files(files: DutFiles) -> None:
    command = qemu_command(files, SPEC, MAILBOX, paused=False)
    assert value(command, "-kernel") == str(files.kernel)
    assert value(command, "-initrd") == str(files.initrd)


def test_only_a_paused_guest_waits_for_a_snapshot(files: DutFiles) -> None:
    cold = qemu_command(files, SPEC, MAILBOX, paused=False)
    paused = qemu_command(files, SPEC, MAILBOX, paused=True)
    assert "-S" not in cold
    assert "-incoming" not in cold
    # A snapshot fits only the machine that it was taken of.
    assert paused == [*cold, "-S", "-incoming", "defer"]


def test_nothing_that_the_host_times(files: DutFiles) -> None:
    command = qemu_command(files, SPEC, MAILBOX, paused=True)
    assert {"-nodefaults", "-no-user-config"} <= set(command)
    assert {name for name, _ in options(command)} == {
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "-machine", "-cpu", "-smp"),
        *("-seed", "-m", "-icount", "-rtc", "-device", "-action", "-object", "-kernel", "-initrd"),
        *("-append", "-chardev", "-serial", "-qmp", "-S", "-incoming"),
    }
    devices = [properties(text)[""] for text in values(command, "-device")]
    assert sorted(devices) == ["nvdimm", "nvdimm", "nvdimm", "pvpanic"]
    assert {properties(text)[""] for text in values(command, "-object")} == {"memory-backend-file"}
    assert value(command, "-serial") == "chardev:console"
    assert value(command, "-display") == "none"


def test_clock_is_the_guests_own(files: DutFiles) -> None:
    command = qemu_command(files, SPEC, MAILBOX, paused=False)
    assert value(command, "-icount") == "shift=0,sleep=off"
    assert "clock=vm" in value(command, "-rtc").split(",")
    assert properties(value(command, "-machine"))["accel"] == "tcg"
    assert "tsc_early_khz=1000000" in value(command, "-append").split()


def test_panic_stops_the_guest_and_does_not_end_it(files: DutFiles) -> None:
    """By this the agent says that it has answered."""
    command = qemu_command(files, SPEC, MAILBOX, paused=False)
    assert value(command, "-action") == "panic=pause"
    assert {"oops=panic", "console=ttyS0"} <= set(value(command, "-append").split())


def test_machine_is_what_the_spec_says(files: DutFiles) -> None:
    spec = MachineSpec(vcpus=2, cpu_model="Westmere", memory_mib=512)
    command = qemu_command(files, spec, MAILBOX, paused=False)
    assert (value(command, "-cpu"), value(command, "-smp")) == ("Westmere", "2")
    told = properties(value(command, "-m"))
    assert told[""] == "512M"
    assert int(told["slots"]) == len(memory(command))
    most = int(told["maxmem"].removesuffix("B"))
    assert most >= 512 * MIB + sum(IMAGES.values()) + MAILBOX_BYTES
    assert most % MIB == 0


def test_same_guest_same_command(files: DutFiles) -> None:
    one, other = (
        qemu_command(files, SPEC, Path("/run", name), paused=False) for name in ("one", "other")
    )
    assert [word.replace("/run/one", "/run/other") for word in one] == other
