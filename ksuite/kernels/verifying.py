# SPDX-License-Identifier: GPL-2.0-or-later
"""What in a store is not whole; nothing is changed, and nobody has to wait meanwhile.

No lock is taken on what a process may want: what looks bad is only told if it still is at its place
afterwards, and what looks left, if nobody has taken it up after a while.
"""

from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.kernels.areas import COPY
from ksuite.kernels.full import AREA, CACHE
from ksuite.kernels.locks import is_at, unused
from ksuite.kernels.pruning import kinds, left
from ksuite.kernels.store import LOGS, MANIFEST, added, damage
from ksuite.kernels.trees import BEGUN, CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ksuite.kernels.store import Store

SETTLE_SECONDS = 1.0
"""How long a process may take from making a directory to locking it."""
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_KEY = re.compile("[0-9a-f]{64}")
_PRUNE = "`ksuite store prune` removes it"
_BUILT = "the next build there removes it, as does `ksuite kernels prune built`"


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it should be.

    :param remedy: what to do.
    """

    path: Path
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}; {self.remedy}"


@dataclass(frozen=True)
class Verified:
    """What a look through a store found.

    :param entries: how many were looked at.
    """

    entries: int
    faults: tuple[Fault, ...]


def verify(store: Store, progress: Callable[[str], None] = lambda _: None) -> Verified:
    """Look through a whole store.

    Entries of few files are read byte by byte; of others each file's size is looked at.
    """
    progress("looking for what killed processes left")
    seen, started = set(left(store)), time.monotonic()
    faults = [*_interrupted(store), *_open_to_others(store)]
    entries = [place for kind in kinds(store) for place in _entries(kind)]
    for number, place in enumerate(entries, 1):
        progress(f"{number} of {len(entries)}: {place.parent.name}/{place.name}")
        faults += _faults(place)
    if seen:
        time.sleep(max(0.0, started + SETTLE_SECONDS - time.monotonic()))
        what = "left by a killed process"
        faults += [Fault(path, what, _PRUNE) for path in left(store) if path in seen]
    return Verified(len(entries), tuple(sorted(faults, key=lambda fault: fault.path)))


def _entries(kind: Path) -> list[Path]:
    if kind.name in {AREA, CACHE, CHECKOUT, LOGS}:
        return []
    found = [path for path in kind.glob("[!.]*") if path.is_dir() and not path.is_symlink()]
    # What else somebody has put in the same directory is not ours.
    ours = any((path / MANIFEST).exists() for path in found)
    return sorted(path for path in found if ours or _KEY.fullmatch(path.name))


def _faults(entry: Path) -> Iterator[Fault]:
    try:
        descriptor = os.open(entry, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    except OSError as error:
        yield Fault(entry, f"is unreadable: {error.strerror}", "make it readable, or remove it")
        return
    try:
        bad = damage(entry) or _added(entry)
        # Somebody may have removed it, or made it anew, while it was looked at.
        if bad and is_at(descriptor, entry):
            yield Fault(entry, bad, "remove it: it is made anew when it is needed")
        elif os.fstat(descriptor).st_mode & _OTHERS_WRITE:
            yield _writable(entry)
    finally:
        os.close(descriptor)


def _added(entry: Path) -> str:
    try:
        more = added(entry)
    except OSError as error:
        return f"is unreadable: {error.strerror}"
    return f"{more[0]} is none of its files" if more else ""


def _interrupted(store: Store) -> Iterator[Fault]:
    """Yield what a killed build or checkout left in a directory that stays."""
    for kind, mark in ((AREA, COPY), (CHECKOUT, BEGUN)):
        for path in (store.root / kind).glob(f"*/{mark}"):
            with unused(path.parent) as free:
                if free and path.exists():
                    yield Fault(path, "left by a killed process", _BUILT)


def _open_to_others(store: Store) -> Iterator[Fault]:
    """Yield the directories that another user has, or could write what we then use."""
    if not store.root.is_dir():
        return
    owner = store.root.stat().st_uid
    for place in (store.root, *kinds(store)):
        status = place.stat()
        if status.st_uid != owner and place.name != CACHE:
            yield Fault(
                place,
                f"belongs to user {status.st_uid}, and the store to {owner}",
                f"`chown -R {owner} {place}`",
            )
        if status.st_mode & _OTHERS_WRITE:
            yield _writable(place)


def _writable(place: Path) -> Fault:
    return Fault(
        place, "others can write it", f"`chmod go-w {place}`, and remove what is not yours"
    )
