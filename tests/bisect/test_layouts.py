# SPDX-License-Identifier: GPL-2.0-or-later
"""Thirty histories of two hundred commits: each gets the right answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bisect.repositories import COUNT, Kind
from tests.bisect.searching import history, must_be_right, search

if TYPE_CHECKING:
    from pathlib import Path

LAYOUTS = 30
KINDS = (
    *(Kind.CULPRIT, Kind.SMALL, Kind.NONE, Kind.CULPRIT, Kind.TWO),
    *(Kind.CULPRIT, Kind.DRIFT, Kind.CULPRIT, Kind.FUNCTION, Kind.SMALL),
)


@pytest.mark.parametrize("seed", range(LAYOUTS))
def test_right_answer(tmp_path: Path, seed: int) -> None:
    kind = KINDS[seed % len(KINDS)]
    repository = history(tmp_path / "tree", kind, 1000 + seed)
    assert repository.commits >= COUNT
    must_be_right(search(repository, tmp_path / "found", kind), repository, kind)
