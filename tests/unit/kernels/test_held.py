# SPDX-License-Identifier: GPL-2.0-or-later
"""Directories that go away with their process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ksuite.errors import InfrastructureError
from ksuite.kernels.held import (
    SOCKET_PATH_CHARACTERS,
    held_directory,
    run_directory,
    scratch_directory,
)

HOLDER = """
import sys, time, tempfile
from ksuite.kernels.held import run_directory
tempfile.tempdir = sys.argv[1]
with run_directory() as path:
    (path / "file").touch()
    print(path, flush=True)
    time.sleep(600)
"""


def test_a_run_directory_is_private_short_and_goes_away() -> None:
    with run_directory() as path:
        assert path.stat().st_mode & 0o777 == 0o700
        assert len(str(path)) < SOCKET_PATH_CHARACTERS
        (path / "file").touch()
    assert not path.exists()


def test_no_directory_is_too_deep_to_go_away() -> None:
    """A build may leave one, and whoever came next would fail to remove it."""
    here = Path.cwd()
    with run_directory() as path:
        try:
            os.chdir(path)
            for _ in range(3000):
                Path("d").mkdir()
                os.chdir("d")
        finally:
            os.chdir(here)
    assert not path.exists()


def test_a_long_temporary_directory_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with run_directory() as path:
        assert len(str(path)) < SOCKET_PATH_CHARACTERS


def test_the_next_one_removes_what_kill_9_left(
    open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(open_directory))
    command = [sys.executable, "-c", HOLDER, str(open_directory)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as holder:
        assert holder.stdout
        held = Path(holder.stdout.readline().decode().strip())
        with run_directory():
            survived = (held / "file").exists()
        holder.kill()
    assert survived
    assert held.exists()
    with run_directory():
        assert not held.exists()
    assert list(open_directory.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a directory away needs root")
def test_others_directories_stay(tmp_path: Path) -> None:
    (tmp_path / "ks-theirs").mkdir()
    os.chown(tmp_path / "ks-theirs", 65534, 65534)
    (tmp_path / "ks-file").touch()
    (tmp_path / "ks-link").symlink_to(tmp_path)
    (tmp_path / "other").mkdir()
    with held_directory(tmp_path, "ks-"):
        pass
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"ks-theirs", "ks-file", "ks-link", "other"}


def test_a_full_disk_is_told() -> None:
    with (
        pytest.raises(InfrastructureError, match=r"disk full in .* set TMPDIR"),
        scratch_directory(),
    ):
        raise OSError(28, "No space left on device")


def test_other_failures_pass_through() -> None:
    with pytest.raises(FileNotFoundError), scratch_directory() as path:
        (path / "absent").read_bytes()


def test_what_is_deeper_than_our_stack_goes_too(open_directory: Path) -> None:
    """One that stayed would end every later run in the same place."""
    left = open_directory / "ks-left"
    left.mkdir()
    descriptor = os.open(left, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    with held_directory(open_directory, "ks-"):
        assert not left.exists()
