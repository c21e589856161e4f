# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the culprit in a history by what is seen of some of its commits.

Every commit of the range may be it. What is seen of one commit speaks for all culprits that it
holds, or against them, the more the likelier it is on one side: Bayes' rule. So a noisy clock asks
until it is sure enough, and where nothing is left to chance each answer decides, as in
``git bisect``. The next commit to look at is the one that is about as likely to be bad as good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Flags = npt.NDArray[np.bool_]
Weights = npt.NDArray[np.float64]

CERTAIN = 1e6
"""The logarithm of odds that nothing turns over."""
NOTHING = 1e-9
"""What is less likely than that is out of the question."""


def containing(parents: Sequence[Sequence[int]]) -> Flags:
    """Return which commits hold which: row R, column C is set where R is C or comes after it.

    :param parents: of each commit; all come before it, and those outside of the range are left out.
    """
    holds = np.eye(len(parents), dtype=np.bool_)
    for number, before in enumerate(parents):
        for parent in before:
            holds[number] |= holds[parent]
    return holds


class Search:
    """A search in progress.

    :param holds: what `containing` returned.
    :param candidates: which commits may be the culprit, each of them in the bad one.
    """

    def __init__(self, holds: Flags, candidates: Flags | None = None) -> None:
        self._holds = holds
        self._odds: Weights = np.zeros(len(holds))
        self._skipped: Flags = np.zeros(len(holds), dtype=np.bool_)
        if candidates is not None:
            self._odds[~candidates] = -CERTAIN

    def see(self, commit: int, odds: float) -> None:
        """Take in what was seen of a commit.

        :param odds: the logarithm of how much likelier it is with the culprit than without.
        """
        self._odds = self._odds + np.where(self._holds[commit], odds, 0.0)

    def good(self, commit: int) -> None:
        """Take in that a commit certainly does not hold the culprit."""
        self.see(commit, -CERTAIN)

    def bad(self, commit: int) -> None:
        """Take in that a commit certainly holds the culprit."""
        self.see(commit, CERTAIN)

    def skip(self, commit: int) -> None:
        """Take in that a commit can't be told: it is not asked for again."""
        self._skipped[commit] = True

    @property
    def posterior(self) -> Weights:
        """How likely each commit is the culprit."""
        weights: Weights = np.exp(self._odds - self._odds.max())
        weights /= weights.sum()
        return weights

    def next(self) -> int | None:
        """Return which commit to look at; None where none of those that are left tells more."""
        weights = self.posterior
        # Of thousands of commits few may be it, and each takes eight bytes of every row.
        likely = np.flatnonzero(weights > 0)
        mass = self._holds[:, likely] @ weights[likely]
        telling = (mass > NOTHING) & (mass < 1 - NOTHING) & ~self._skipped
        if not telling.any():
            return None
        unsure = np.where(telling, -np.abs(mass - 0.5), -np.inf)
        return int(np.argmax(unsure))

    def suspects(self, confidence: float = 1 - NOTHING) -> tuple[int, ...]:
        """Return the fewest commits of which one is the culprit so surely, the likeliest first."""
        weights = self.posterior
        order = np.argsort(-weights, kind="stable")
        sums = np.cumsum(weights[order])
        count = int(np.searchsorted(sums, confidence)) + 1
        return tuple(int(one) for one in order[:count])

    def confidence(self, suspects: Iterable[int]) -> float:
        """Return how likely one of some commits is the culprit."""
        return float(self.posterior[list(suspects)].sum())
