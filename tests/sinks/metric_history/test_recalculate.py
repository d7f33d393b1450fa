"""Which periods lie within a time."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from loopin_schemas.metrics import Grain
from loopin_sinks.metric_history.recalculate import whole_periods


def test_whole_periods() -> None:
    def edges(grain: Grain, start: str, end: str) -> list[str] | None:
        zone = ZoneInfo("America/New_York")
        since, until = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end))
        found = whole_periods(grain, since, until, zone)
        return None if found is None else [edge.strftime("%m-%d %H") for edge in found.edges]

    assert edges("day", "2026-03-07T05:00", "2026-03-09T04:00") == ["03-07 05", "03-08 05", "03-09 04"]
    assert edges("day", "2026-03-07T05:01", "2026-03-09T03:59") is None
    assert edges("month", "2026-01-01T00:00", "2026-03-15T00:00") == ["01-01 05", "02-01 05", "03-01 05"]
    assert edges("week", "2026-03-02T05:00", "2026-03-09T04:00") == ["03-02 05", "03-09 04"]
    assert edges("hour", "2026-03-02T05:30", "2026-03-02T05:30") is None
