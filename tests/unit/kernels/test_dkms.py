# SPDX-License-Identifier: GPL-2.0-or-later
"""DKMS configurations as there are, and such as would do something else than to configure."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import ExitCode, NothingToCompare, UserError
from ksuite.kernels import dkms
from ksuite.kernels.dkms import Dkms, read_dkms, variables
from ksuite.kernels.room import Room

if TYPE_CHECKING:
    from ksuite.kernels.source import KernelSource

NAMED = "PACKAGE_NAME=mine\nPACKAGE_VERSION=1.0\n"
USUAL = 'make -C "$kernel_source_dir" M="$PWD" modules'


@pytest.fixture
def room(source: KernelSource, tmp_path: Path) -> Room:
    return Room(source, tmp_path / "top")


def refuse(text: str, says: str, room: Room) -> None:
    """Check that a configuration is refused in one line and with the exit code of bad usage."""
    with pytest.raises(UserError, match=says) as caught:
        read_dkms(text.encode(), "dkms.conf", room)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == ExitCode.USAGE


def test_the_least_that_a_configuration_says(room: Room) -> None:
    found = read_dkms(NAMED.encode(), "dkms.conf", room)
    assert found == Dkms("mine", "1.0", USUAL, {"mine": "mine.ko"})


def test_a_usual_configuration(room: Room) -> None:
    text = """
        PACKAGE_NAME="ixgbe"
        PACKAGE_VERSION="5.19.6"
        CLEAN="make -C src clean"
        MAKE[0]="'make' -j4 -C src KVER=$kernelver"
        BUILT_MODULE_NAME[0]="$PACKAGE_NAME"
        BUILT_MODULE_LOCATION[0]="src"
        DEST_MODULE_LOCATION[0]="/updates/dkms"
        AUTOINSTALL="yes"
    """
    found = read_dkms(text.encode(), "dkms.conf", room)
    made = f"'make' -j4 -C src KVER={room.source.release}"
    assert found == Dkms("ixgbe", "5.19.6", made, {"ixgbe": "src/ixgbe.ko"})


def test_several_modules(room: Room) -> None:
    text = NAMED + "\n".join(
        f'BUILT_MODULE_NAME[{number}]="{name}"\nBUILT_MODULE_LOCATION[{number}]="{place}"'
        for number, (name, place) in enumerate(
            {"a": "", "b-c": "./", "d": "x/y", "e": "./x/", "f": "  z  "}.items()
        )
    )
    built = read_dkms(text.encode(), "dkms.conf", room).built
    assert built == {"a": "a.ko", "b-c": "b-c.ko", "d": "x/y/d.ko", "e": "x/e.ko", "f": "z/f.ko"}


def test_arrays_with_holes_and_at_once(room: Room) -> None:
    text = NAMED + "BUILT_MODULE_NAME=(a b)\nBUILT_MODULE_LOCATION[1]=x\nBUILT_MODULE_NAME[7]=c\n"
    built = read_dkms(text.encode(), "dkms.conf", room).built
    assert built == {"a": "a.ko", "b": "x/b.ko", "c": "c.ko"}


def test_what_dkms_tells_it(room: Room) -> None:
    for name, value in variables(room).items():
        found = read_dkms(f'{NAMED}MAKE[0]="tell ${name}"\n'.encode(), "dkms.conf", room)
        assert found.make == f"tell {value}"
        assert value


def test_it_asks_what_it_is_built_for(room: Room) -> None:
    text = f"""{NAMED}
        case $kernelver in *-amd64) MAKE[0]="make amd64" ;; *) MAKE[0]="make other" ;; esac
        [ "$arch" = x86_64 ] && BUILT_MODULE_NAME=mine64
        [ -e "$kernel_source_dir/Makefile" ] && BUILT_MODULE_LOCATION=there
    """
    found = read_dkms(text.encode(), "dkms.conf", room)
    assert found.make == "make amd64"
    assert found.built == {"mine64": "there/mine64.ko"}


@pytest.mark.parametrize(
    "text",
    [
        "BUILD_EXCLUSIVE_KERNEL='^(2|3)\\.'",
        "BUILD_EXCLUSIVE_ARCH=aarch64",
        "BUILD_EXCLUSIVE_CONFIG='CONFIG_SMP CONFIG_NO_SUCH_THING'",
        "BUILD_EXCLUSIVE_CONFIG='!CONFIG_SMP'",
    ],
)
def test_kernel_that_it_is_not_for(text: str, room: Room) -> None:
    with pytest.raises(NothingToCompare, match=f"not for .*{text.partition('=')[0]}") as caught:
        read_dkms(f"{NAMED}{text}\n".encode(), "dkms.conf", room)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "BUILD_EXCLUSIVE_KERNEL='^[4-9]\\.'; BUILD_EXCLUSIVE_ARCH='x86.*'",
        "BUILD_EXCLUSIVE_CONFIG='CONFIG_SMP !CONFIG_NO_SUCH_THING'",
        "PATCH[0]=old.patch; PATCH_MATCH[0]='^2\\.'",
        "MAKE[1]='make old'; MAKE_MATCH[1]='^2\\.'",
        "MAKE_MATCH[0]='.'",
        "BUILT_MODULE_NAME[0]=mine; DEST_MODULE_NAME[0]=mine",
        "PRE_BUILD=; PATCH=(); MAKE_MATCH[1]=; DEST_MODULE_NAME[0]=",
    ],
)
def test_what_does_not_matter_for_this_kernel(text: str, room: Room) -> None:
    found = read_dkms(f"{NAMED}{text}\n".encode(), "dkms.conf", room)
    assert found == Dkms("mine", "1.0", USUAL, {"mine": "mine.ko"})


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("PRE_BUILD=./configure", "PRE_BUILD"),
        ("PATCH[2]=fix.patch", "PATCH.2."),
        ("PATCH[0]=fix.patch; PATCH_MATCH[0]='^[4-9]'", "PATCH.0."),
        ("MAKE[1]='make new'; MAKE_MATCH[1]='^[4-9]'", "MAKE_MATCH.1."),
        ("MAKE_MATCH[0]='^2\\.'", "MAKE_MATCH.0."),
        ("DEST_MODULE_NAME[0]=other", "DEST_MODULE_NAME.0."),
    ],
)
def test_what_is_not_done_is_refused_by_its_key(text: str, key: str, room: Room) -> None:
    refuse(f"{NAMED}{text}\n", f"{key}' is not done here", room)


def test_what_it_prints_is_no_answer(room: Room) -> None:
    text = f"echo hello; printf 'a\\0b\\0c\\0'; echo hello >&2; cat\n{NAMED}"
    assert read_dkms(text.encode(), "dkms.conf", room).name == "mine"


@pytest.mark.parametrize("value", ["", "..", ".", "../x", "a/b", "/a", "-n", "a b", "$'a\\nb'"])
@pytest.mark.parametrize("key", ["PACKAGE_NAME", "PACKAGE_VERSION", "BUILT_MODULE_NAME"])
def test_what_is_no_name(key: str, value: str, room: Room) -> None:
    quoted = value if value.startswith("$") else f"'{value}'"
    refuse(f"{NAMED}{key}={quoted}\n", f"{key}=.* is no name", room)


@pytest.mark.parametrize("place", ["..", "../x", "x/../../y", "/etc", "a b", "$'a\\nb'", "//"])
def test_what_is_no_place(place: str, room: Room) -> None:
    quoted = place if place.startswith("$") else f"'{place}'"
    text = f"{NAMED}BUILT_MODULE_NAME=mine\nBUILT_MODULE_LOCATION={quoted}\n"
    refuse(text, "BUILT_MODULE_LOCATION=.* is no directory of it", room)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PACKAGE_NAME=mine\n",
        "PACKAGE_VERSION=1\n",
        "obj-m := mine.o\n",
        "PACKAGE_NAME='mine\n",
        "\x7fELF\x02\x01\0\0",
        f"{NAMED}exit 0\n",
        f"{NAMED}kill -9 $$\n",
        f"{NAMED}kill -9 -1; exec sh -c 'exit 1'\n",
        # bash keeps the real standard output at 10.
        f"{NAMED}printf 'a\\0001\\0make\\0odd\\0' >&10; exit\n",
    ],
)
def test_what_says_nothing_that_can_be_built(text: str, room: Room) -> None:
    refuse(text, "dkms.conf(: PACKAGE_| is no DKMS configuration)", room)


def test_a_loop_without_an_end(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dkms, "_LIMITS", ("--cpu=1",))
    refuse(f"{NAMED}while :; do :; done\n", "can't be read to its end", room)


def test_it_waits_for_nothing(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dkms, "TIME_SECONDS", 1)
    start = time.monotonic()
    refuse(f"{NAMED}sleep 1000\n", "can't be read to its end", room)
    assert time.monotonic() - start < 10


def test_what_it_starts_ends_with_it(room: Room) -> None:
    mark = f"1000.{os.getpid()}"
    text = f"{NAMED}setsid sleep {mark} & sleep .1; kill -0 $! && PACKAGE_VERSION=alive\n"
    assert read_dkms(text.encode(), "dkms.conf", room).version == "alive"
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [line for line in lines if mark.encode() in line]


@pytest.mark.parametrize(
    "text",
    [
        "BUILT_MODULE_NAME=($(seq 100000))\n",
        "PACKAGE_VERSION=$(head -c 1000000 /dev/zero | tr '\\0' 1)\n",
        "cat /dev/zero >&10\n",
        "a=x; while :; do a=$a$a; done\n",
    ],
)
def test_more_than_a_configuration_has(text: str, room: Room) -> None:
    refuse(f"{NAMED}{text}", "is no DKMS configuration: it can't be read to its end", room)


def said(command: str, room: Room) -> str:
    """Return what a command told a configuration, which goes on whatever became of it."""
    text = f'{NAMED}BUILT_MODULE_NAME=mine\nMAKE[0]="told $({{ {command}; }} 2>&1)"\n'
    return read_dkms(text.encode(), "dkms.conf", room).make


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch, open_directory: Path) -> Path:
    """Return a directory that all may write, and which is the user's home."""
    open_directory.chmod(0o777)
    (open_directory / "secret").write_text("s3cr3t")
    monkeypatch.setenv("HOME", str(open_directory))
    return open_directory


def test_nothing_is_written(outside: Path, room: Room) -> None:
    places = [str(outside), "/var/tmp", "/dev/shm", "."]  # noqa: S108 (that is the attack)
    for place in places:
        told = said(f"touch {place}/ks-evil; id -un; ls -d {place}", room)
        assert "nobody" in told.split() or os.geteuid()
        assert not Path(place, "ks-evil").exists()
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_no_home_is_read(outside: Path, room: Room) -> None:
    told = said(f"cat {outside}/secret; echo home=$HOME; ls -A /home /root", room)
    assert "No such file" in told
    assert "s3cr3t" not in told
    assert told.split("home=")[1].split() == ["/home:", "/root:"]


def test_nobody_is_called(room: Room) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        told = said(f"exec 3<>/dev/tcp/127.0.0.1/{port}", room)
        assert "Network is unreachable" in told or "Connection refused" in told
        with pytest.raises(TimeoutError):
            server.accept()
        # The same is heard from outside.
        socket.create_connection(("127.0.0.1", port)).close()
        server.accept()[0].close()
