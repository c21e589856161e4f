# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel modules on the DUT: out with one build, in with another, and which one it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

BUILD_ID_BYTES = 20
"""--build-id=sha1."""


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _loaded(name: str) -> bool:
    return (Path("/sys/module") / name / "initstate").exists()


def _holders(name: str) -> list[str]:
    holders = Path("/sys/module") / name / "holders"
    return sorted(holder.name for holder in holders.iterdir()) if holders.is_dir() else []


def unload(names: list[str]) -> list[str]:
    """Unload modules and whatever holds them.

    :return: all that was unloaded, in that order.
    :raises OSError: one is in use.
    """
    gone: list[str] = []
    for name in names:
        if _loaded(name):
            gone += unload(_holders(name))
            _run("rmmod", name)
            gone.append(name)
    return gone


def load(files: dict[str, str], also: list[str]) -> dict[str, str]:
    """Load modules from files, what they depend on first, then others from the kernel's own.

    :param files: path of each module's .ko, by module name.
    :param also: modules to load by name afterwards.
    :return: the build-id of each of `files` as the running kernel tells it.
    :raises OSError: the kernel refused one.
    """
    for name in files:
        _load_file(name, files)
    for name in also:
        _run("modprobe", name)
    return {name: build_id(name) for name in files}


def _load_file(name: str, files: dict[str, str]) -> None:
    if _loaded(name):
        return
    for needed in _run("modinfo", "-F", "depends", files[name]).strip().split(","):
        if needed in files:
            _load_file(needed, files)
        elif needed:
            _run("modprobe", needed)
    _run("insmod", files[name])


def build_id(name: str) -> str:
    """Return a loaded module's build-id in hex; empty where it was built without one."""
    note = Path("/sys/module") / name / "notes" / ".note.gnu.build-id"
    return note.read_bytes()[-BUILD_ID_BYTES:].hex() if note.exists() else ""
