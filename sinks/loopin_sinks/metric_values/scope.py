"""Over whose events a metric is computed, and in which periods."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cached_property
from typing import Final

from loopin_schemas.metrics import Dimension, Grain
from loopin_sinks.rollups.rolled import NOTHING, Rolled
from loopin_streams.projects.project import Projects, Rates, Retention, zone_name

EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Scope:
    """A project's events, and how its days and its money are counted.

    Attributes:
        project: whose events.
        zone: where its days begin.
        now: the time now, aware; what lies after it has not happened.
        currency: ISO 4217 code that amounts without one are in.
        rates: to convert other currencies by; those without a rate are not added.
        internal: a distinct_id of each of the project's own people, who are left out.
        bots: whether bots are counted, too.
        users: the distinct_ids whose events alone are counted; without any, all are.
        where: values that the events must have, by dimension; a session's first event.
        only: values of the only events there are, by dimension: a session is what is left of it.
        by: dimension to split by, None for none.
        rolled: the project's days in this zone that rollups may be read of.
        retention: days that what is made of the events is kept.
        as_set: whether zone and currency are those that the processes are set to, for projects without own.
    """

    project: str
    zone: tzinfo
    now: datetime
    currency: str = "USD"
    rates: Rates = field(default_factory=dict)
    internal: Sequence[str] = ()
    bots: bool = False
    users: Sequence[str] = ()
    where: Mapping[Dimension, str] = field(default_factory=dict)
    only: Mapping[Dimension, str] = field(default_factory=dict)
    by: Dimension | None = None
    rolled: Rolled = NOTHING
    retention: Retention = Retention()
    as_set: bool = False

    @property
    def zone_name(self) -> str:
        """Name of the zone in the tz database."""
        return zone_name(self.zone)

    def day_of(self, moment: datetime) -> int:
        """Number of the zone's day that holds the moment, from 1970-01-01."""
        return (moment.astimezone(self.zone).date() - EPOCH).days

    def midnight(self, day: int) -> datetime:
        """When the day begins, in UTC."""
        return datetime.combine(EPOCH + timedelta(days=day), time.min, self.zone).astimezone(UTC)


def scope_of(projects: Projects, project: str, now: datetime) -> Scope:
    """All of a project's events but those of bots and of its own people, in its zone and its money."""
    known, default = projects.of(project), projects.default(project)
    return Scope(
        project=project,
        zone=known.zone,
        now=now,
        currency=known.currency,
        rates=known.rates,
        internal=sorted(known.internal),
        retention=known.retention,
        as_set=(known.zone, known.currency) == (default.zone, default.currency),
    )


@dataclass(frozen=True)
class Periods:
    """Periods that follow each other without a gap; ``edges`` are their starts and the end of the last."""

    edges: tuple[datetime, ...]

    def __len__(self) -> int:
        return len(self.edges) - 1

    @property
    def start(self) -> datetime:
        """Start of the first."""
        return self.edges[0]

    @property
    def end(self) -> datetime:
        """End of the last, excluded."""
        return self.edges[-1]

    @cached_property
    def starts_ms(self) -> list[int]:
        """Their starts, epoch ms."""
        return [epoch_ms(edge) for edge in self.edges[:-1]]

    @cached_property
    def number(self) -> dict[int, int]:
        """Position by start in epoch ms."""
        return {start: number for number, start in enumerate(self.starts_ms)}

    def last_day(self, scope: Scope, number: int) -> int:
        """The day that holds a period's last millisecond, or now where that comes first."""
        return scope.day_of(min(self.edges[number + 1], scope.now) - timedelta(milliseconds=1))

    def holding(self, moment: datetime) -> int | None:
        """Position of the period that holds the moment."""
        found = bisect_right(self.edges, moment) - 1
        return found if 0 <= found < len(self) else None


def epoch_ms(moment: datetime) -> int:
    """Milliseconds since 1970, exactly."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def from_epoch_ms(milliseconds: int) -> datetime:
    """The moment, in UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def periods(grain: Grain, start: datetime, end: datetime, zone: tzinfo) -> Periods:
    """The zone's hours, days, weeks (from Monday) or months between two moments; the outer two may be cut.

    Where clocks are set back an hour is two periods, as it is two hours.
    """
    edges = [start]
    while True:
        edge = _next(grain, edges[-1], zone)
        if edge >= end:
            return Periods((*edges, end))
        edges.append(edge)


def _next(grain: Grain, moment: datetime, zone: tzinfo) -> datetime:
    local = moment.astimezone(zone)
    if grain == "hour":
        offset = local.utcoffset() or timedelta()
        whole = (moment + offset).replace(minute=0, second=0, microsecond=0) - offset
        return whole + timedelta(hours=1)
    day = local.date()
    if grain == "day":
        following = day + timedelta(days=1)
    elif grain == "week":
        following = day + timedelta(days=7 - day.weekday())
    else:
        following = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return datetime.combine(following, time.min, zone).astimezone(UTC)
