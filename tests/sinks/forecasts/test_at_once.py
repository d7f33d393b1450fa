"""What was made of the same values before is told again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from loopin_schemas.metrics import by_name
from loopin_sinks.forecasts.at_once import make_forecast
from loopin_sinks.forecasts.history import Past
from loopin_sinks.forecasts.make import LONG_AGO, STALE
from loopin_sinks.forecasts.series import Series
from loopin_sinks.metric_values.scope import Scope
from tests.sinks.forecasts.made_up import noise, of

NOW = datetime(2024, 3, 12, 10, 30, tzinfo=UTC)
SCOPE = Scope(project="shop", zone=UTC, now=NOW)
LATER = replace(SCOPE, now=NOW + timedelta(minutes=5))


def up_to_now(values: Series, calculated_at: datetime | None = None) -> Past:
    return Past(values, values.day(len(values)), calculated_at)


async def test_the_same_is_made_once() -> None:
    dau = by_name("dau")
    assert dau is not None
    past = up_to_now(of(50 + noise(1, 60)), NOW)
    first = await make_forecast(SCOPE, dau, past, 7)
    assert await make_forecast(LATER, dau, past, 7) == first
    for other in (
        await make_forecast(LATER, dau, past, 8),
        await make_forecast(LATER, dau, past, 7, "IN"),
        await make_forecast(LATER, dau, up_to_now(of(50 + noise(2, 60)), NOW), 7),
        await make_forecast(LATER, dau, up_to_now(past.values, NOW + timedelta(minutes=1)), 7),
        await make_forecast(LATER, dau, past._replace(until=past.until + timedelta(days=1)), 7),
        await make_forecast(replace(LATER, zone=ZoneInfo("Asia/Kolkata")), dau, past, 7),
    ):
        assert other.made_at == first.made_at + 300_000


async def test_days_are_those_of_the_zone_where_clocks_change_too() -> None:
    dau = by_name("dau")
    assert dau is not None
    new_york = replace(SCOPE, zone=ZoneInfo("America/New_York"))
    made = await make_forecast(new_york, dau, up_to_now(of(50 + noise(1, 69))), 3)
    # The ninth of March 2024 is the 69th day; on the tenth clocks are put forward.
    told = [datetime.fromtimestamp(day.at / 1000, ZoneInfo("America/New_York")) for day in made.points]
    assert [(at.month, at.day, at.hour) for at in told] == [(3, 10, 0), (3, 11, 0), (3, 12, 0)]
    assert [later.at - day.at for day, later in zip(made.points, made.points[1:], strict=False)] == [
        23 * 3_600_000,
        24 * 3_600_000,
    ]
    assert made.history[-1].at == made.points[0].at - 24 * 3_600_000


@pytest.mark.parametrize("days", [60, 180])
async def test_it_begins_with_the_first_day_that_is_not_over_also_after_days_without_a_value(
    days: int,
) -> None:
    rating = by_name("event_rating")
    assert rating is not None
    known = up_to_now(of(4 + noise(3, days) / 10))
    longer = await make_forecast(SCOPE, rating, known, 5 + 7)
    later = await make_forecast(SCOPE, rating, known._replace(until=known.until + timedelta(days=5)), 7)
    assert later.points == longer.points[5:]
    assert (later.history, later.lineage) == (longer.history, longer.lineage)


async def test_of_what_had_no_value_for_long_nothing_is_expected() -> None:
    rating = by_name("event_rating")
    assert rating is not None
    known = up_to_now(of(4 + noise(3, 180) / 10))
    made = await make_forecast(
        SCOPE, rating, known._replace(until=known.until + timedelta(days=STALE + 1)), 7
    )
    assert (made.points, made.reason, made.method) == ((), LONG_AGO, "heuristic")
    assert made.history[-1].value == known.values.values[-1]
