# SPDX-License-Identifier: GPL-2.0-or-later
"""The plugin that counts: compiled, taken by QEMU, and its counts read; nothing is booted."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from ksuite.dut.marks import BEGIN, END
from ksuite.errors import InfrastructureError
from ksuite.kernels.store import Store
from ksuite.machines.counting import SOURCE, counting_plugin, plugin_arguments, read_counts
from ksuite.machines.emulator import PACKAGE, QEMU, hosts_own
from ksuite.machines.recipe import DATA
from ksuite.processes import tool

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return counting_plugin(Store(tmp_path_factory.mktemp("a,b") / "store"), hosts_own().major)


def test_plugin_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    place = counting_plugin(store, 7)
    assert place.read_bytes().startswith(b"\x7fELF")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert counting_plugin(store, 7) == place


def test_missing_compiler_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(InfrastructureError, match=r"gcc is missing.*apt-get install gcc"):
        counting_plugin(Store(tmp_path), 7)


def test_plugin_that_can_not_be_compiled_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "gcc"
    compiler.write_text("#!/bin/sh\necho 'count_plugin.c:1: error: no' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(InfrastructureError, match=r"can't be compiled: count_plugin\.c:1: error"):
        counting_plugin(Store(tmp_path / "store"), 7)
    assert Store(tmp_path / "store").entry("plugin", "") is None


@pytest.mark.parametrize(("major", "interface"), [(7, 1), (8, 1), (10, 4), (11, 4)])
def test_plugin_shows_only_what_qemu_looks_for(tmp_path: Path, major: int, interface: int) -> None:
    library = ctypes.CDLL(str(counting_plugin(Store(tmp_path), major)), mode=os.RTLD_LAZY)
    assert ctypes.c_int.in_dll(library, "qemu_plugin_version").value == interface
    assert library.qemu_plugin_install
    with pytest.raises(AttributeError):
        assert library.translated


def qemu(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Start QEMU without a machine, and end it at once."""
    command = [tool(QEMU, PACKAGE), "-nodefaults", "-machine", "none", "-display", "none"]
    return subprocess.run(
        [*command, "-S", "-monitor", "stdio", *arguments],
        input="quit\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("name", ["counts", "a,b", "a,,b", "a=b,c=d"])
def test_qemu_takes_the_plugin_and_any_path(plugin: Path, tmp_path: Path, name: str) -> None:
    assert "," in str(plugin)
    done = qemu(*plugin_arguments(plugin, tmp_path / name))
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_qemu_does_not_start_where_nothing_can_be_written(plugin: Path) -> None:
    assert qemu(*plugin_arguments(plugin, plugin / "counts")).returncode != 0


def test_commas_are_doubled(tmp_path: Path) -> None:
    option, told = plugin_arguments(tmp_path / "a,b.so", tmp_path / "c,,d")
    assert option == "-plugin"
    assert told == f"file={tmp_path}/a,,b.so,output={tmp_path}/c,,,,d"


def test_plugin_knows_the_marks_of_the_dut() -> None:
    source = (DATA / SOURCE).read_text(encoding="utf-8")
    rows = re.findall(r"^\t\{ ((?:0x[0-9a-f]{2}, )*0x[0-9a-f]{2}) \},$", source, re.MULTILINE)
    assert [bytes(int(word, 16) for word in row.split(", ")) for row in rows] == [BEGIN, END]


def test_counts_are_read(tmp_path: Path) -> None:
    path = tmp_path / "counts"
    path.write_text("ffffffff81000000 a\n400000 1f4\nffffffff81000000 1\n")
    assert read_counts(path) == {0xFFFFFFFF81000000: 11, 0x400000: 500}


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\n",
        b"400000\n",
        b"400000 1 2\n",
        b"400000 1\n\n",
        b"400000 1\ngarbage\n",
        b"400000 x\n",
        b"400000 1.5\n",
        b"\xff\xfe\n",
        b"\0" * 64,
    ],
)
def test_garbage_is_no_count(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "counts"
    path.write_bytes(garbage)
    with pytest.raises(InfrastructureError, match="plugin did not count"):
        read_counts(path)


@pytest.mark.parametrize("name", ["missing", "."])
def test_file_that_is_not_there_is_no_count(tmp_path: Path, name: str) -> None:
    with pytest.raises(InfrastructureError, match="plugin did not count"):
        read_counts(tmp_path / name)
