# SPDX-License-Identifier: GPL-2.0-or-later
"""A build in a root of its own writes where it is to, and nowhere else."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from ksuite.processes import BUILD_PLACE, contained, run, tool

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a root of files that are root's")

BUSYBOX = shutil.which("busybox")
TOOLS = ("sh", "id", "touch", "cat", "ls", "mount")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a system with little more than a shell, and a place that all may write."""
    assert BUSYBOX
    top = tmp_path / "a root ~ of its own"
    for name in ("bin", "proc", "tmp", BUILD_PLACE.strip("/")):
        (top / name).mkdir(parents=True)
    (top / "tmp").chmod(0o1777)
    shutil.copy(BUSYBOX, top / "bin")
    for name in TOOLS:
        (top / "bin" / name).symlink_to("busybox")
    return top


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made = tmp_path / "place"
    made.mkdir()
    made.chmod(0o777)
    return made


def inside(root: Path, place: Path, script: str) -> tuple[int, str]:
    tool("busybox", "busybox-static")
    environment = {"PATH": "/usr/bin:/bin"}
    done = run([*contained(root=(root, place)), "sh", "-c", script], env=environment)
    return done.returncode, (done.stdout + done.stderr).decode()


def test_it_sees_its_place_and_its_own_root(root: Path, place: Path) -> None:
    (place / "input").write_text("what to build")
    code, said = inside(root, place, f"cat {BUILD_PLACE}/input; touch {BUILD_PLACE}/output; ls /")
    assert code == 0, said
    assert said.startswith("what to build")
    assert "home" not in said.split()
    assert (place / "output").exists()


@pytest.mark.parametrize("where", ["/tmp", "/bin", "/"])  # noqa: S108 (in there)
def test_nothing_is_left_for_the_next_build(root: Path, place: Path, where: str) -> None:
    before = sorted(root.rglob("*"))
    code, said = inside(root, place, f"touch {where}/left-behind")
    assert code != 0
    assert "Read-only file system" in said
    assert sorted(root.rglob("*")) == before


def test_processes_of_the_host_are_not_seen(root: Path, place: Path) -> None:
    code, said = inside(root, place, "ls /proc")
    assert code == 0
    assert len([word for word in said.split() if word.isdigit()]) <= 3


def test_mounts_are_gone_afterwards(root: Path, place: Path) -> None:
    inside(root, place, "true")
    with open("/proc/mounts") as mounts:  # noqa: PTH123
        assert str(root.parent) not in mounts.read().replace("\\040", " ")
    assert list((root / BUILD_PLACE.strip("/")).iterdir()) == []
