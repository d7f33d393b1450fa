"""Which of a project's days are rolled up, for those who read rollups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final


@dataclass(frozen=True, slots=True)
class RolledDay:
    """A day of which there are rollups.

    Attributes:
        events: how many events it had.
        newest_received: when the last of them was received, None where there are none.
        version: which of a day's rollups count, where there are several.
        whole: whether no event has come since.
    """

    events: int
    newest_received: datetime | None
    version: int
    whole: bool


@dataclass(frozen=True)
class Rolled:
    """The rolled days of one project and zone.

    Attributes:
        since: events that were stored before are in the rollups of their day, if it has any.
        days: by number of the day from 1970-01-01.
        sessions: which version of a day's sessions counts, where those are final.
    """

    since: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    days: Mapping[int, RolledDay] = field(default_factory=dict)
    sessions: Mapping[int, int] = field(default_factory=dict)


NOTHING: Final = Rolled()
"""Where no day is rolled up."""


def runs(days: list[int]) -> list[tuple[int, int]]:
    """Ascending days as runs without a gap, each of its first and last day."""
    if not days:
        return []
    ends = [before for before, after in pairwise(days) if after > before + 1]
    starts = [after for before, after in pairwise(days) if after > before + 1]
    return list(zip([days[0], *starts], [*ends, days[-1]], strict=True))
