"""How many of those of whom something is predicted score high: what the newest profiles say."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

from loopin_schemas.metrics.definition import HighScores
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.metric_values.values import Values
from loopin_sinks.scores.read import counted_scores
from loopin_sinks.store import Store

KNOWN_FOR: Final = timedelta(hours=6)
"""How long after a period's end the scores of now stand for those of its end; later nobody can tell."""


class Counted(NamedTuple):
    """Persons with a score, and those of them above the limit."""

    scored: int
    high: int


async def high_scores(store: Store, scope: Scope, of: HighScores, periods: Periods) -> Values:
    """The share in the periods that are not over, or were until lately; of others and of parts it is null.

    Raises:
        StoreError: the store did not answer.
    """
    known = [
        number
        for number, (start, end) in enumerate(zip(periods.edges, periods.edges[1:], strict=False))
        if start <= scope.now and scope.now - end <= KNOWN_FOR
    ]
    if not known or scope.users or scope.where or scope.only or scope.by:
        return {}
    found = await counted(store, scope, of)
    return {(number, ""): found.high / found.scored for number in known} if found.scored else {}


async def counted(store: Store, scope: Scope, of: HighScores) -> Counted:
    """How many there are now. Raises StoreError."""
    return Counted(*await counted_scores(store, scope.project, of.model, above=of.above))
