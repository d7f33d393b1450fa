"""The days of a report, and what stands for them where they are too many."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from loopin_api.queries.metrics import MAX_POINTS
from loopin_api.timespan import Timespan
from loopin_schemas.metrics import Grain
from loopin_sinks.metric_values.scope import Periods, periods

_GRAINS: Final[dict[Grain, timedelta]] = {
    "day": timedelta(days=MAX_POINTS + 1),
    "week": timedelta(weeks=MAX_POINTS + 1),
}


def day_periods(span: Timespan) -> tuple[Grain, Periods]:
    """The span's days, or weeks or months where there are more than ``MAX_POINTS``."""
    for grain, longest in _GRAINS.items():
        # Far too long a span is not cut into days first, which would be tens of thousands.
        if span.end - span.start <= longest:
            found = periods(grain, span.start, span.end, span.zone)
            if len(found) <= MAX_POINTS:
                return grain, found
    return "month", periods("month", span.start, span.end, span.zone)


def dates_of(span: Timespan) -> tuple[date, date]:
    """The zone's first day that the span reaches into, and the day after its last."""
    last = (span.end - timedelta(milliseconds=1)).astimezone(span.zone).date()
    return span.start.astimezone(span.zone).date(), last + timedelta(days=1)
