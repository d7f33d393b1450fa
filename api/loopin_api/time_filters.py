"""The time filters that the queries share: ``from`` and ``to``, or ``days``, and ``tz``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Annotated

from fastapi import Depends, Query

from loopin_api.services import Reader, Use
from loopin_api.timespan import MAX_DAYS, InvalidTimespan, Timespan, between, last_days, timezone


@dataclass(frozen=True, slots=True)
class TimeFilters:
    """What a request says of time, at ``now``; ``zone`` is the one asked for, else the project's ``own``."""

    start: str | None
    end: str | None
    days: int | None
    now: datetime
    zone: tzinfo
    own: tzinfo

    def span(self, default_days: int | None = None) -> Timespan:
        """The interval asked for; without any, the last ``default_days``, else that of ``between``.

        Raises:
            InvalidTimespan: both ways are used at once, or a value is no time.
        """
        bounded = self.start is not None or self.end is not None
        if self.days is not None and bounded:
            raise InvalidTimespan("days", "Give either days, or from and to.")
        days = self.days if bounded or self.days is not None else default_days
        if days is not None:
            return last_days(days, self.now, self.zone)
        return between(self.start, self.end, self.now, self.zone)


async def _time_filters(
    use: Use,
    caller: Reader,
    start: Annotated[
        str | None,
        Query(
            alias="from",
            description="Start, included: ISO 8601, or relative such as `-7d`, `-24h`. "
            "30 days before `to` where only `to` is given.",
            examples=["2026-01-01", "-7d"],
        ),
    ] = None,
    end: Annotated[
        str | None,
        Query(
            alias="to",
            description="End, excluded: ISO 8601 or relative; a date alone includes that day. Default: now.",
            examples=["2026-01-31"],
        ),
    ] = None,
    days: Annotated[
        int | None,
        Query(
            ge=1,
            le=MAX_DAYS,
            description="Instead of `from` and `to`: today so far, and the days before it, whole.",
        ),
    ] = None,
    tz: Annotated[
        str | None,
        Query(
            description="Time zone of times without an offset, and of days, e.g. Asia/Kolkata; the "
            "project's by default."
        ),
    ] = None,
) -> TimeFilters:
    own = use.projects.zone(caller.project)
    return TimeFilters(start, end, days, use.clock(), timezone(tz) if tz else own, own)


Times = Annotated[TimeFilters, Depends(_time_filters)]
