# SPDX-License-Identifier: GPL-2.0-or-later
"""Locks of real processes on directories, and what is left of them."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from ksuite.kernels.locks import held_alone, share, shared, unused
from tests.unit.kernels.another import another

if TYPE_CHECKING:
    import subprocess
    from contextlib import AbstractContextManager
    from pathlib import Path

USER = """
import sys, time
from pathlib import Path
from ksuite.kernels import locks

print(locks.share(Path(sys.argv[1])) is not None, flush=True)
time.sleep(600)
"""


def user(place: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Return a process that uses a directory."""
    return another(USER, str(place), says=b"True\n")


def is_unused(place: Path) -> bool:
    with unused(place) as free:
        return free


def test_others_may_use_what_is_used(tmp_path: Path) -> None:
    with user(tmp_path), shared(tmp_path) as there:
        assert there
    assert is_unused(tmp_path)


def test_kill_9_of_the_last_user_frees_it(tmp_path: Path) -> None:
    with user(tmp_path) as one, user(tmp_path) as other:
        one.kill()
        one.wait()
        assert not is_unused(tmp_path)
        other.kill()
        other.wait()
        assert is_unused(tmp_path)


@pytest.mark.parametrize("becomes", ["nothing", "another", "a file"])
def test_what_was_removed_meanwhile_is_not_there(tmp_path: Path, becomes: str) -> None:
    place = tmp_path / "entry"
    place.mkdir()
    seen: list[int | None] = []
    waiter = threading.Thread(target=lambda: seen.append(share(place)), daemon=True)
    with unused(place) as free:
        assert free
        waiter.start()
        place.rename(tmp_path / "gone")
        if becomes == "another":
            place.mkdir()
        elif becomes == "a file":
            place.touch()
    waiter.join(10)
    (descriptor,) = seen
    if becomes == "another" and descriptor is not None:
        # It came so late that it saw the other one only.
        assert os.path.samestat(os.fstat(descriptor), place.stat())
        os.close(descriptor)
    else:
        assert descriptor is None


def test_use_is_noted(tmp_path: Path) -> None:
    os.utime(tmp_path, (0, 0))
    assert is_unused(tmp_path)
    assert tmp_path.stat().st_mtime == 0
    with shared(tmp_path):
        assert tmp_path.stat().st_mtime > 0


def test_what_is_not_there_is_not_unused(tmp_path: Path) -> None:
    assert not is_unused(tmp_path / "absent")
    with shared(tmp_path / "absent") as there:
        assert not there


def test_one_at_a_time(tmp_path: Path) -> None:
    waits, had = threading.Event(), threading.Event()
    place = tmp_path / "made"

    def want() -> None:
        with held_alone(place, lambda _: waits.set()):
            had.set()

    said: list[str] = []
    other = threading.Thread(target=want, daemon=True)
    with held_alone(place, said.append):
        other.start()
        assert waits.wait(10)
        assert not had.is_set()
    assert had.wait(10)
    assert not said


def test_who_waited_for_what_was_removed_makes_it_anew(tmp_path: Path) -> None:
    waits, had = threading.Event(), threading.Event()
    place = tmp_path / "place"
    place.mkdir()

    def want() -> None:
        with held_alone(place, lambda _: waits.set()):
            (place / "file").touch()
            had.set()

    other = threading.Thread(target=want, daemon=True)
    with unused(place) as free:
        assert free
        other.start()
        assert waits.wait(10)
        place.rename(tmp_path / "gone")
    assert had.wait(10)
    assert (place / "file").exists()
