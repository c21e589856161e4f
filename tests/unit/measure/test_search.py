# SPDX-License-Identifier: GPL-2.0-or-later
"""The search for a culprit, over histories that are known."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from ksuite.measure.search import Search, containing
from tests.unit.campaigns.histories import branching


def line(count: int) -> Search:
    return Search(containing([[number - 1] if number else [] for number in range(count)]))


def test_revision_holds_itself_and_all_before_it() -> None:
    holds = containing([[], [0], [0], [1, 2]])
    assert holds.tolist() == [
        [True, False, False, False],
        [True, True, False, False],
        [True, False, True, False],
        [True, True, True, True],
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 100, 1024])
def test_line_is_halved(count: int) -> None:
    for culprit in {0, count // 3, count - 1}:
        search = line(count)
        looks = 0
        while (place := search.next()) is not None:
            looks += 1
            (search.bad if place >= culprit else search.good)(place)
        assert search.suspects() == (culprit,)
        assert looks <= math.ceil(math.log2(count))


@pytest.mark.parametrize("seed", range(20))
def test_every_culprit_of_a_history_with_branches_is_found(seed: int) -> None:
    graph = branching(seed, 60)
    for culprit in range(0, len(graph.names), 7):
        search = Search(graph.holds)
        while (place := search.next()) is not None:
            (search.bad if graph.holds[place, culprit] else search.good)(place)
        assert search.suspects() == (culprit,)


def test_only_candidates_are_suspected() -> None:
    candidates = np.zeros(100, dtype=np.bool_)
    candidates[[10, 50, 90]] = True
    search = Search(line(100)._holds, candidates)
    assert set(search.suspects()) == {10, 50, 90}
    place = search.next()
    assert place is not None
    search.good(place)
    assert set(search.suspects()) in ({50, 90}, {90})


def test_what_is_skipped_is_not_asked_for_again() -> None:
    search = line(10)
    for _ in range(20):
        place = search.next()
        if place is None:
            break
        search.skip(place)
    assert search.next() is None
    assert set(search.suspects()) == set(range(10))
    assert search.confidence(range(5)) == pytest.approx(0.5)


def test_noise_is_weighed() -> None:
    """Three weak answers are worth as much as one that is three times as strong."""
    one, three = line(16), line(16)
    one.see(7, 1.5)
    for _ in range(3):
        three.see(7, 0.5)
    assert one.posterior == pytest.approx(three.posterior)
    assert one.posterior[:8].sum() == pytest.approx(1 / (1 + math.exp(-1.5)))


def test_likeliest_comes_first() -> None:
    search = line(4)
    search.see(1, 2.0)
    search.see(0, -3.0)
    first, *_ = search.suspects(0.99)
    assert first == 1
    assert search.suspects(0.5) == (1,)


def test_few_candidates_among_many_commits_take_little_room() -> None:
    count = 3000
    candidates = np.zeros(count, dtype=np.bool_)
    candidates[::300] = True
    holds = np.tril(np.ones((count, count), dtype=np.bool_))
    search = Search(holds, candidates)
    tracemalloc.start()
    try:
        assert search.next() is not None
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < holds.nbytes / 10
