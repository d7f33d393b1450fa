from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from loopin_api.timespan import InvalidTimespan, between, last_days, timezone

NOW = datetime(2026, 3, 30, 1, 15, tzinfo=UTC)
BERLIN = timezone("Europe/Berlin")
KOLKATA = timezone("Asia/Kolkata")


def test_days_begin_at_midnight_of_the_zone() -> None:
    span = last_days(1, datetime(2026, 1, 15, 20, 0, tzinfo=UTC), KOLKATA)
    assert span.start == datetime(2026, 1, 15, 18, 30, tzinfo=UTC)
    assert span.end == datetime(2026, 1, 15, 20, 0, tzinfo=UTC)
    assert span.last_midnight == span.start
    assert span.zone_name == "Asia/Kolkata"


def test_the_last_day_is_one_that_the_interval_reaches_into() -> None:
    span = between("2026-01-13", "2026-01-14", NOW, KOLKATA)
    assert span.last_midnight == datetime(2026, 1, 13, 18, 30, tzinfo=UTC)


def test_days_are_whole_across_a_change_of_clocks() -> None:
    # Clocks in Berlin went forward on 29 March 2026: that day has 23 hours.
    assert last_days(3, NOW, BERLIN).start == datetime(2026, 3, 27, 23, 0, tzinfo=UTC)
    assert last_days(1, NOW, BERLIN).start == datetime(2026, 3, 29, 22, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "expected_start", "expected_end"),
    [
        (None, None, NOW - timedelta(days=30), NOW),
        ("-7d", None, NOW - timedelta(days=7), NOW),
        ("-2w", "-90m", NOW - timedelta(days=14), NOW - timedelta(minutes=90)),
        ("-24h", "now", NOW - timedelta(hours=24), NOW),
        (
            "2026-01-01",
            "2026-01-31",
            datetime(2025, 12, 31, 23, tzinfo=UTC),
            datetime(2026, 1, 31, 23, tzinfo=UTC),
        ),
        (
            "2026-01-01T10:00:00",
            "2026-01-01T10:00:00Z",
            datetime(2026, 1, 1, 9, tzinfo=UTC),
            datetime(2026, 1, 1, 10, tzinfo=UTC),
        ),
        (None, "2026-02-01T00:00:00Z", datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
    ],
)
def test_intervals(
    start: str | None, end: str | None, expected_start: datetime, expected_end: datetime
) -> None:
    span = between(start, end, NOW, BERLIN)
    assert (span.start, span.end) == (expected_start, expected_end)


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        ("yesterday", None, "from"),
        ("", None, "from"),
        ("-7y", None, "from"),
        ("-999999w", None, "from"),
        ("1900-01-01", None, "from"),
        ("0001-01-01T00:00:00+23:00", None, "from"),
        ("\x00", None, "from"),
        ("-1d", "2200-01-01", "to"),
        ("-1d", "9999-12-31", "to"),
        ("-1d", "-2d", "from"),
        ("now", "now", "from"),
    ],
)
def test_what_is_no_interval_is_refused_by_field(start: str | None, end: str | None, field: str) -> None:
    with pytest.raises(InvalidTimespan) as caught:
        between(start, end, NOW, UTC)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "../../etc/passwd", "America", "utc\x00", "/etc/localtime"]
)
def test_unknown_zones_are_refused(name: str) -> None:
    with pytest.raises(InvalidTimespan, match="tz database"):
        timezone(name)


def test_utc_needs_no_database() -> None:
    assert timezone("UTC") is UTC
    assert last_days(1, NOW, UTC).zone_name == "UTC"
