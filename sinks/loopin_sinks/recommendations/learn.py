"""Weights learned from earlier weeks, and how good what they give is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from loopin_sinks.recommendations.platform_events import Bools, Floats, Ints
from loopin_sinks.recommendations.ranker import Ranker, learned

WEEK_MS: Final = 7 * 86_400_000
WEEKS: Final = 3
"""Earlier weeks that weights are learned from."""

TOP: Final = 10


class Week(NamedTuple):
    """What could have been recommended at a time, and what was taken in the week after it.

    Attributes:
        items: numbers of the candidates.
        signals: (users, candidates, signals).
        allowed: whether each could be recommended to each user, (users, candidates).
        taken: whether it was taken in the week, (users, candidates).
        popular: how often each had been taken, (candidates,).
    """

    items: Ints
    signals: Floats
    allowed: Bools
    taken: Bools
    popular: Floats


Weeks = Callable[[int], Week]
"""The week after a time."""


def cutoffs(at: int) -> list[int]:
    """Times whose weeks are over, epoch ms."""
    return [at - number * WEEK_MS for number in range(1, WEEKS + 1)]


def learn(names: Sequence[str], week: Weeks, at: int) -> Ranker | None:
    """A ranker from the weeks that are over at a time; None where too little was taken in them."""
    pairs = [_pairs(week(cutoff)) for cutoff in cutoffs(at)]
    return learned(
        names, np.concatenate([each for each, _ in pairs]), np.concatenate([each for _, each in pairs])
    )


def _pairs(of: Week) -> tuple[Floats, Bools]:
    """Of users who took something, so that who was away does not count against what was there."""
    active: Bools = np.logical_and(of.taken.any(axis=1, keepdims=True), of.allowed)
    return of.signals[active], of.taken[active]


def top(scores: Floats, allowed: Bools, number: int = TOP) -> Ints:
    """The best allowed items of each user, best first; -1 where there are fewer. (users, number)."""
    known = np.where(allowed, scores, -np.inf)
    order = np.argsort(-known, axis=1, kind="stable")[:, :number]
    found = np.where(np.isfinite(np.take_along_axis(known, order, axis=1)), order, -1)
    return np.pad(found, ((0, 0), (0, number - found.shape[1])), constant_values=-1)


def precision(chosen: Ints, taken: Bools) -> float | None:
    """Mean share of the chosen that were taken, of users who took any; None without any.

    ``chosen`` has as many columns as are shown: of ten, who took three has 0.3 at most.
    """
    users = np.flatnonzero(taken.any(axis=1))
    if not len(users):
        return None
    hits = [[at >= 0 and bool(taken[user, at]) for at in chosen[user]] for user in users]
    return float(np.mean(hits))


def measured(of: Week, ranker: Ranker, number: int = TOP) -> tuple[float | None, float | None, int]:
    """Precision of a ranker and of popularity, over the same users and candidates, and how many users."""
    taken = of.taken & of.allowed
    ranked = precision(top(ranker.scores(of.signals), of.allowed, number), taken)
    popular = precision(top(np.broadcast_to(of.popular, taken.shape), of.allowed, number), taken)
    return ranked, popular, int(taken.any(axis=1).sum())
