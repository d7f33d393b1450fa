"""When tasks are due, against Celery's crontab asked minute by minute, and at the edges of summer time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import crontab as celery_crontab
from hypothesis import given, settings
from hypothesis import strategies as st

from loopin_sinks.tasks.when import Crontab, Every, crontab, following, latest

KOLKATA, BERLIN = ZoneInfo("Asia/Kolkata"), ZoneInfo("Europe/Berlin")
MINUTE = timedelta(minutes=1)

TEXTS = [
    "*/30 * * * *",
    "5 * * * *",
    "0 3 * * *",
    "30 4 1,15 * *",
    "*/20 8-18 * * mon-fri",
    "0 0 * * 0",
    "59 23 28-31 * *",
    "0 2 * 2,6 *",
]


def minutes_of(text: str, start: datetime, count: int, zone: tzinfo) -> list[datetime]:
    """The minutes at which Celery says it is due; start is a whole minute in a zone without summer time."""
    minute, hour, month_day, month, week_day = text.split()
    due = celery_crontab(
        minute=minute, hour=hour, day_of_month=month_day, month_of_year=month, day_of_week=week_day
    )
    found = []
    for number in range(count):
        local = (start + number * MINUTE).astimezone(zone)
        if (
            local.minute in due.minute
            and local.hour in due.hour
            and local.day in due.day_of_month
            and local.month in due.month_of_year
            and local.isoweekday() % 7 in due.day_of_week
        ):
            found.append(start + number * MINUTE)
    return found


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("zone", [UTC, KOLKATA], ids=str)
def test_a_crontab_is_due_when_celery_says(text: str, zone: tzinfo) -> None:
    start = datetime(2026, 1, 28, 18, 17, tzinfo=UTC)
    count = 45 * 24 * 60
    expected = minutes_of(text, start, count, zone)
    when, found, at = crontab(text), [], start - MINUTE
    while (at := following(when, at, zone)) < start + count * MINUTE:
        found.append(at)
    assert found == expected
    assert expected
    for before, due in zip(expected, expected[1:], strict=False):
        assert latest(when, due, zone) == due
        assert latest(when, due - timedelta(milliseconds=1), zone) == before


@given(
    st.sampled_from([*map(crontab, TEXTS), Every(60), Every(900), Every(21_600), crontab("*/7 1-3 * * *")]),
    st.datetimes(datetime(2026, 3, 27), datetime(2026, 3, 31))
    | st.datetimes(datetime(2026, 10, 23), datetime(2026, 10, 27)),
)
@settings(max_examples=300, deadline=None)
def test_there_is_nothing_between_the_latest_and_the_following(when: Every | Crontab, at: datetime) -> None:
    """Around both changes of the clocks, too."""
    now = at.replace(tzinfo=UTC)
    last, then = latest(when, now, BERLIN), following(when, now, BERLIN)
    assert last <= now < then
    assert following(when, last, BERLIN) == then
    assert latest(when, then - timedelta(microseconds=1), BERLIN) == last
    assert latest(when, then, BERLIN) == then


def test_a_time_that_the_clocks_skip_is_made_up_for_when_they_have_been_put_forward() -> None:
    # On 2026-03-29 01:00 UTC, 02:00 became 03:00.
    before = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)
    assert following(crontab("30 2 * * *"), before, BERLIN) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert latest(crontab("30 2 * * *"), before.replace(hour=5), BERLIN) == datetime(
        2026, 3, 29, 1, tzinfo=UTC
    )


def test_a_time_that_the_clocks_show_twice_counts_once() -> None:
    # On 2026-10-25 01:00 UTC, 03:00 became 02:00.
    when, first = crontab("30 2 * * *"), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert following(when, first - timedelta(hours=3), BERLIN) == first
    assert following(when, first, BERLIN) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
    assert latest(when, first + timedelta(hours=1, minutes=10), BERLIN) == first


def test_every_so_many_seconds_is_counted_from_1970() -> None:
    now = datetime(2026, 1, 15, 10, 31, 7, tzinfo=UTC)
    assert latest(Every(1800), now, KOLKATA) == datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
    assert following(Every(21_600), now, KOLKATA) == datetime(2026, 1, 15, 12, tzinfo=UTC)
    assert [str(Every(n)) for n in (900, 3600, 86_400, 61)] == [
        "every 15 min",
        "every 1 h",
        "every 1 d",
        "every 61 s",
    ]


@pytest.mark.parametrize(
    "text",
    ["", "hourly", "@hourly", "* * * *", "* * * * * *", "60 * * * *", "0 0 31 2 *", "H * * * *", "r * * * *",
     "R(0-10) * * * *", "* * * * fun", "*/0 * * * *", "0 3 * *; *", "5-1-2 * * * *"],
)  # fmt: skip
def test_what_is_no_crontab_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="five fields"):
        crontab(text)
