# SPDX-License-Identifier: GPL-2.0-or-later
"""A build writes into what it is given to write into, and into nothing else."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite import confining
from ksuite.processes import MOUNTS, contained, run

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER = 4242
"""The uid of a user who is not root."""
EVERYWHERE = (
    "for at in / /etc /usr /dev /sys /proc /mnt /var; do touch $at/ks-new && echo $at; done"
)
SYSTEM = {"PATH": "/usr/bin:/bin"}


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


@pytest.fixture(params=["root", "user"])
def confined(
    request: pytest.FixtureRequest, open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """Return what runs a script for root or for a user, with a place of each kind."""
    if os.geteuid() != 0:
        pytest.skip("another user is needed")
    for name in ("home", "out", "given", "kept"):
        (open_directory / name).mkdir()
        (open_directory / name).chmod(0o777)
    (open_directory / "home" / ".bashrc").write_text("the user's")
    monkeypatch.setenv("HOME", str(open_directory / "home"))
    start = []
    if request.param == "user":
        start = ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups"]
        monkeypatch.setattr(os, "geteuid", lambda: OTHER)
        monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
        # He must be able to get there.
        ours = shutil.copy(confining.__file__, open_directory)
        monkeypatch.setattr(confining, "__file__", str(ours))
    mounts = {name: [open_directory / name] for name in ("out", "given")}
    kept = [open_directory / "kept"]
    command = contained(drop_root=True, mounts=mounts, read_only={"given"}, kept=kept)

    def said(script: str) -> str:
        done = run([*start, *command, "sh", "-c", script], env=SYSTEM)
        assert b"can't be confined" not in done.stderr
        return done.stdout.decode()

    return said


def test_nothing_of_the_host_can_be_written(confined: Callable[[str], str]) -> None:
    """Not even what the user may write."""
    assert confined(EVERYWHERE) == ""
    assert not list(Path("/").glob("*/ks-new"))


def test_what_is_given_can_be_written(confined: Callable[[str], str], open_directory: Path) -> None:
    kept = open_directory / "kept"
    confined(f"umask; cd {MOUNTS}; touch out/new {kept}/new given/new")
    assert (open_directory / "out/new").exists()
    assert (kept / "new").exists()
    assert not (open_directory / "given/new").exists()


def test_what_users_have_is_not_seen(confined: Callable[[str], str], open_directory: Path) -> None:
    home = open_directory / "home"
    said = confined(
        f"ls -A /tmp /home /root /run /dev/shm {open_directory}; echo x > {home}/.bashrc"
    )
    places = [line for line in said.split() if not line.startswith("/")]
    assert places == [open_directory.name, "kept"]
    assert (home / ".bashrc").read_text() == "the user's"
    assert confined("ls /etc/passwd /usr/bin/env").split() == ["/etc/passwd", "/usr/bin/env"]


def test_what_is_put_into_shared_places_is_gone(confined: Callable[[str], str]) -> None:
    for place in ("/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108 (in there)
        assert confined(f"echo x > {place}/ks-new; cat {place}/ks-new") == "x\n"
        assert confined(f"cat {place}/ks-new") == ""
        assert not Path(place, "ks-new").exists()


def test_devices_of_what_is_given_are_none(
    confined: Callable[[str], str], open_directory: Path
) -> None:
    for name in ("out", "kept"):
        os.mknod(open_directory / name / "zero", 0o20666, os.makedev(1, 5))
        (open_directory / name / "zero").chmod(0o666)
    places = f"{MOUNTS}/out/zero {open_directory}/kept/zero"
    assert confined(f"for at in {places}; do head -c 1 $at && echo read; done") == ""


def test_any_path_can_be_mounted(tmp_path: Path) -> None:
    """Below MOUNTS, too, and with what ends a word in the options of a mount."""
    for name in ("a,b", "c:d"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name[0]).write_text(name)
    mounts = {"both": [tmp_path / "a,b", tmp_path / "c:d"], "one": [tmp_path / "c:d"]}
    done = run(
        [*contained(mounts=mounts), "sh", "-c", f"cd {MOUNTS}; cat both/? one/?"], env=SYSTEM
    )
    assert done.stdout == b"a,bc:dc:d"
