# SPDX-License-Identifier: GPL-2.0-or-later
"""A build writes into what it is given to write into, and into nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ksuite.processes import MOUNTS, contained, run

if TYPE_CHECKING:
    from pathlib import Path


def inside(mounts: dict[str, list[Path]], script: str) -> tuple[int, str]:
    command = contained(mounts=mounts, read_only={"given"})
    done = run([*command, "sh", "-c", script], env={"PATH": "/usr/bin:/bin"})
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.fixture
def places(tmp_path: Path) -> dict[str, list[Path]]:
    for name in ("given", "out", "over", "tree"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    return {
        "given": [tmp_path / "given"],
        "out": [tmp_path / "out"],
        "source": [tmp_path / "over", tmp_path / "tree"],
    }


def test_what_is_read_only_stays_as_it_is(places: dict[str, list[Path]]) -> None:
    for script in ("echo x > given/given", "echo x > given/new", "rm given/given"):
        code, said = inside(places, f"cd {MOUNTS}; {script}")
        assert code != 0
        assert "Read-only file system" in said
    assert [path.name for path in places["given"][0].iterdir()] == ["given"]
    assert (places["given"][0] / "given").read_text() == "given"


def test_it_can_not_be_made_writable(places: dict[str, list[Path]]) -> None:
    """Unless it is root: a build is nobody, and who is not root builds without capabilities."""
    command = contained(mounts=places, read_only={"given"}, drop_root=True)
    script = f"mount -o remount,bind,rw {MOUNTS}/given; echo x > {MOUNTS}/given/new"
    done = run([*command, "sh", "-c", script], env={"PATH": "/usr/bin:/bin"})
    assert done.returncode != 0
    assert not (places["given"][0] / "new").exists()


def test_what_may_be_written_is(places: dict[str, list[Path]]) -> None:
    code, said = inside(places, f"cd {MOUNTS}; echo x > out/new; cat source/over source/tree")
    assert (code, said) == (0, "overtree")
    assert (places["out"][0] / "new").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is needed")
def test_who_is_not_root_can_not_write_either(tmp_path: Path) -> None:
    """There, what is read only is the user's own."""
    given = tmp_path / "given"
    given.mkdir()
    given.chmod(0o777)
    for directory in [given, *given.parents][:-2]:
        directory.chmod(directory.stat().st_mode | 0o5)
    command = contained(mounts={"given": [given]}, read_only={"given"}, drop_root=True)
    done = run([*command, "touch", f"{MOUNTS}/given/new"], env={"PATH": "/usr/bin:/bin"})
    assert "Read-only file system" in done.stderr.decode()
