# SPDX-License-Identifier: GPL-2.0-or-later
"""What a bisection has seen so far, on the disk: it may be killed at any moment, and go on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ksuite.campaigns.quest import Quest
from ksuite.errors import UserError
from ksuite.measure.finding import Seen
from ksuite.report.strict import read_object, structured
from ksuite.report.whole_file import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA = 1
FILE = "state.json"
WHAT = "state of a bisection"


@dataclass(frozen=True)
class State:
    """A bisection that is under way.

    :param ends: the commits that its ends were, so that it goes on with these; empty for a series.
    """

    quest: Quest
    seen: tuple[Seen, ...] = ()


def write_state(quest: Quest, seen: Mapping[str, Seen], directory: Path) -> None:
    """Keep what was seen.

    :raises InfrastructureError: it can't be written.
    """
    state = State(quest, tuple(seen.values()))
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
