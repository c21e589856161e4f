# SPDX-License-Identifier: GPL-2.0-or-later
"""What a bisection has seen so far, on the disk: it may be killed at any moment, and go on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns.quest import Ground, Quest
from ksuite.errors import UserError
from ksuite.kernels.debian import DEBIAN
from ksuite.kernels.source import KNOWN
from ksuite.measure.finding import Seen
from ksuite.report.strict import read_object, structured
from ksuite.report.whole_file import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = 1
FILE = "state.json"
WHAT = "state of a bisection"


@dataclass(frozen=True)
class State:
    """A bisection that is under way.

    :param quest: its ends are commits, so that it goes on with these.
    :param ground: what it was all seen on; nothing where nothing was seen yet.
    """

    quest: Quest
    seen: tuple[Seen, ...] = ()
    ground: Ground = field(default_factory=Ground)


def write_state(quest: Quest, seen: Mapping[str, Seen], ground: Ground, directory: Path) -> None:
    """Keep what was seen.

    :raises InfrastructureError: it can't be written.
    """
    state = State(quest, tuple(seen.values()), ground)
    write_json({"schema": SCHEMA, **asdict(state)}, directory / FILE)


def read_state(directory: Path) -> State:
    """Return what was kept.

    :raises UserError: there is nothing, or it can't be read.
    """
    path = directory / FILE
    if not path.exists():
        raise UserError(f"there is no {path}: nothing was begun there that could go on")
    data = read_object(path, WHAT)
    if data.get("schema") != SCHEMA:
        raise UserError(
            f"{path} is of schema {data.get('schema')!r}, and this ksuite knows {SCHEMA}"
        )
    return structured(data, State, path, WHAT)


def series_from_anywhere(series: str) -> str:
    """Return a series by a name that it has from every directory: it may go on in another."""
    tree, colon, revisions = series.rpartition(":")
    if colon and ".." in revisions and not Path(series).exists():
        return f"{Path(tree).absolute()}:{revisions}"
    return str(Path(series).absolute()) if series else ""


def kernel_from_anywhere(kernel: str) -> str:
    """Return the same of a kernel; one that has no place keeps its name."""
    if kernel in {"", *KNOWN} or kernel.startswith(DEBIAN):
        return kernel
    if Path(kernel).exists():
        return str(Path(kernel).absolute())
    tree, at, revision = kernel.rpartition("@")
    if at and Path(tree).is_dir():
        return f"{Path(tree).absolute()}@{revision}"
    image, comma, modules = kernel.partition(",")
    return f"{Path(image).absolute()},{Path(modules).absolute()}" if comma else kernel
