"""Which of a project's days are rolled up, for those who read rollups."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

_OF_LATE: Final = 2
"""Days within which the task that rolls up has noted what is there."""


@dataclass(frozen=True, slots=True)
class RolledDay:
    """A day of which there are rollups.

    Attributes:
        events: how many events it had.
        newest_received: when the last of them was received, None where there are none.
        version: which of a day's rollups count, where there are several.
        measures: what is added up of its events.
        late: whether events have come since.
        removed: whether some of its events may be gone, so that it is never rolled up again.
    """

    events: int
    newest_received: datetime | None
    version: int
    measures: frozenset[str]
    late: bool
    removed: bool

    @property
    def whole(self) -> bool:
        """Whether no event has come since that could still be rolled up."""
        return self.removed or not self.late


@dataclass(frozen=True)
class Rolled:
    """The rolled days of one project and zone.

    Attributes:
        since: events that were stored before are in the rollups of their day, if it has any.
        covered: the first day whose events are all there; 0 where none have been removed.
        days: by number of the day from 1970-01-01.
        sessions: which version of a day's sessions counts, where those are final.
        unfinished: the same where they are as if none had gone on the day after.
        linked: whether any users share a person with others.
    """

    since: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    covered: int = 0
    days: Mapping[int, RolledDay] = field(default_factory=dict)
    sessions: Mapping[int, int] = field(default_factory=dict)
    unfinished: Mapping[int, int] = field(default_factory=dict)
    linked: bool = True

    def surely_covers(self, first: int, today: int) -> bool:
        """Whether all events since a day are there; False also where that has not been noted of late."""
        noted = self.covered > 0 and max(self.days, default=0) >= today - _OF_LATE
        return noted and first > self.covered + _OF_LATE

    def late(self, days: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Those of some runs of days to which events have come since, as runs."""
        return runs([day for first, last in days for day in range(first, last + 1) if self.days[day].late])

    def telling(self, what: Collection[str]) -> dict[int, int]:
        """The days whose rollups tell all of that, and the version of each that counts."""
        return {
            number: day.version
            for number, day in self.days.items()
            if day.whole and day.measures.issuperset(what)
        }


NOTHING: Final = Rolled()
"""Where no day is rolled up."""


def runs(days: list[int]) -> list[tuple[int, int]]:
    """Ascending days as runs without a gap, each of its first and last day."""
    if not days:
        return []
    ends = [before for before, after in pairwise(days) if after > before + 1]
    starts = [after for before, after in pairwise(days) if after > before + 1]
    return list(zip([days[0], *starts], [*ends, days[-1]], strict=True))
