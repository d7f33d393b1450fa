"""Weights learned from earlier weeks, and how good what they give is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from loopin_sinks.recommendations.platform_events import Bools, Floats, Ints
from loopin_sinks.recommendations.ranker import Ranker, learned

WEEK_MS: Final = 7 * 86_400_000
WEEKS: Final = 3
"""Earlier weeks that weights are learned from."""

TOP: Final = 10


PART: Final = 250_000
"""Pairs of users and candidates that are looked at together: there may be a hundred million in a week."""

KEPT: Final = 250_000
"""Pairs that weights are learned from, of those that were taken and of the others each."""


class Week(NamedTuple):
    """What could have been recommended to some users at a time, and what they took in the week after it.

    Attributes:
        items: numbers of the candidates.
        signals: (users, candidates, signals).
        allowed: whether each could be recommended to each user, (users, candidates).
        taken: whether it was taken in the week, (users, candidates).
        popular: how many had taken each, (candidates,).
    """

    items: Ints
    signals: Floats
    allowed: Bools
    taken: Bools
    popular: Floats


Weeks = Callable[[int], Iterable[Week]]
"""The week after a time, in parts of some users each, so that no more than a part is held at once."""


def parts(users: Ints, candidates: int) -> list[Ints]:
    """Positions of users, so many together as have ``PART`` pairs; one at least."""
    step = max(1, PART // max(candidates, 1))
    return [users[start : start + step] for start in range(0, len(users), step)]


def cutoffs(at: int) -> list[int]:
    """Times whose weeks are over, epoch ms."""
    return [at - number * WEEK_MS for number in range(1, WEEKS + 1)]


class _Drawn:
    """As many rows as are kept of all that are given, each as likely as another, by a seed."""

    def __init__(self, most: int) -> None:
        self.rate, self._most = 1.0, most
        self._rows: list[Floats] = []
        self._lots: list[Floats] = []
        self._dice = np.random.default_rng(0)

    def add(self, rows: Floats) -> None:
        """Keep those whose lots are low enough, and fewer of all once they are too many."""
        lots = self._dice.random(len(rows))
        self._rows.append(rows[lots < self.rate])
        self._lots.append(lots[lots < self.rate])
        while sum(map(len, self._lots)) > self._most:
            self.rate /= 2
            self._rows = [rows[lots < self.rate] for rows, lots in zip(self._rows, self._lots, strict=True)]
            self._lots = [lots[lots < self.rate] for lots in self._lots]

    @property
    def rows(self) -> Floats:
        return np.concatenate(self._rows)


def learn(names: Sequence[str], week: Weeks, at: int) -> Ranker | None:
    """A ranker from the weeks that are over at a time; None where too little was taken in them.

    Where there are more pairs than are kept, those that were taken are drawn apart from the others: but for
    the bias, which is set right, the weights are the same in the mean (King and Zeng, Logistic Regression in
    Rare Events Data, 2001).
    """
    taken, others = _Drawn(KEPT), _Drawn(KEPT)
    nothing = np.zeros((0, len(names)))
    for drawn in (taken, others):
        drawn.add(nothing)
    for cutoff in cutoffs(at):
        for part in week(cutoff):
            # Of users who took something, so that who was away does not count against what was there.
            active: Bools = np.logical_and(part.taken.any(axis=1, keepdims=True), part.allowed)
            taken.add(part.signals[active & part.taken])
            others.add(part.signals[active & ~part.taken])
    return learned(names, taken.rows, others.rows, taken.rate / others.rate)


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


def precisions(week: Iterable[Week], *scores: Callable[[Week], Floats]) -> tuple[list[float | None], int]:
    """Precision of each way to score the pairs of a week, over all its users and candidates.

    Args:
        week: in parts.
        scores: of the pairs of a part, (users, candidates) each.

    Returns:
        One precision each, None where nobody took any, and how many users did.
    """
    sums, users = [0.0] * len(scores), 0
    for part in week:
        taken = part.taken & part.allowed
        of_part = int(taken.any(axis=1).sum())
        users += of_part
        for at, score in enumerate(scores):
            sums[at] += of_part * (precision(top(score(part), part.allowed), taken) or 0.0)
    return [each / users if users else None for each in sums], users


def by_popularity(of: Week) -> Floats:
    """Of each pair how many had taken the item."""
    return np.broadcast_to(of.popular, of.taken.shape)


def measured(week: Iterable[Week], ranker: Ranker) -> tuple[float | None, float | None, int]:
    """Precision of a ranker and of popularity, over the same users and candidates, and how many users."""
    (ranked, popular), users = precisions(week, lambda part: ranker.scores(part.signals), by_popularity)
    return ranked, popular, users
