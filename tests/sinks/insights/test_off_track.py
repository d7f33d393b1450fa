"""Forecasts that are left for two days or more are told; a single day and a way back are not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from loopin_schemas.metrics import Metric, by_name
from loopin_sinks.forecasts.made import ExpectedDay
from loopin_sinks.forecasts.stored import Told
from loopin_sinks.insights.off_track import off_track
from loopin_sinks.metric_history.stored import Kept
from loopin_sinks.metric_values.scope import Scope, epoch_ms

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
"""A Thursday."""

SCOPE = Scope(project="shop", zone=UTC, now=NOW, currency="EUR")
TODAY = SCOPE.day_of(NOW)
MADE = epoch_ms(NOW - timedelta(days=8))
CALCULATED = NOW - timedelta(hours=3)


def metric(name: str) -> Metric:
    found = by_name(name)
    assert found is not None
    return found


def told(interval: tuple[float | None, float | None] = (80.0, 120.0)) -> dict[int, Told]:
    """Of each day of the last week: 100."""
    found = {}
    for day in range(TODAY - 7, TODAY + 20):
        at = epoch_ms(SCOPE.midnight(day))
        found[at] = Told(MADE, "forecasts-1", ExpectedDay(at, 100.0, 90.0, 110.0, *interval))
    return found


def kept(*values: float | None) -> dict[int, Kept]:
    """The days before today, the last one yesterday."""
    return {TODAY - len(values) + n: Kept(value, CALCULATED) for n, value in enumerate(values)}


def test_days_below_the_interval_are_told_with_what_they_rest_on() -> None:
    found = off_track(SCOPE, metric("dau"), kept(100, 60, 101, 75, 60), told())
    assert found is not None
    assert found.id == "shop/forecast_off_track/dau/2026-01-13"
    assert (found.insight_type, found.target_type, found.target_id) == (
        "forecast_off_track",
        "metric",
        "dau",
    )
    # 135 in place of 200 in the two days.
    assert found.title == "DAU has been below its forecast since Tuesday 13 January (-32%)"
    assert found.description == (
        "60 on Wednesday 14 January, where 100 was forecast, and 80 to 120 with a probability of 95%; "
        "2 days in a row."
    )
    assert (found.priority, found.is_actionable, found.confidence_score) == ("high", True, 0.95)
    assert found.suggested_actions[-1] == (
        "See what is expected by now: /api/analytics/predictions?kind=forecast&metric=dau."
    )
    evidence = found.evidence
    assert (evidence.metric, evidence.grain, evidence.value) == ("dau", "day", 60.0)
    assert evidence.start == epoch_ms(datetime(2026, 1, 14, tzinfo=UTC))
    assert evidence.since == epoch_ms(datetime(2026, 1, 13, tzinfo=UTC))
    assert (evidence.expected, evidence.low, evidence.high) == (100.0, 80.0, 120.0)
    assert (evidence.forecast_made_at, evidence.model_version) == (MADE, "forecasts-1")
    assert evidence.calculated_at == epoch_ms(CALCULATED)
    assert found.expires_at == epoch_ms(datetime(2026, 1, 22, tzinfo=UTC))


def test_one_that_goes_on_keeps_its_id() -> None:
    one = off_track(SCOPE, metric("dau"), kept(60, 60), told())
    longer = off_track(SCOPE, metric("dau"), kept(100, 60, 60, 60), told())
    assert one is not None
    assert longer is not None
    assert one.id.endswith("2026-01-13")
    assert longer.id.endswith("2026-01-12")


def test_better_than_forecast_urges_nobody() -> None:
    found = off_track(SCOPE, metric("dau"), kept(130, 140), told())
    assert found is not None
    assert (found.priority, found.is_actionable, found.suggested_actions) == ("low", False, ())
    assert "above its forecast" in found.title
    slower = off_track(SCOPE, metric("avg_response_time"), kept(130, 140), told())
    assert slower is not None
    assert (slower.priority, slower.is_actionable) == ("high", True)


@pytest.mark.parametrize(
    "values",
    [
        (60.0,),  # a single day
        (60.0, 60.0, 100.0),  # back on track
        (130.0, 60.0),  # to and fro
        (60.0, None, 60.0),  # a day in between that nobody knows
        (80.0, 80.0),  # on the edge
        (),
    ],
)
def test_what_is_not_off_track(values: tuple[float | None, ...]) -> None:
    assert off_track(SCOPE, metric("dau"), kept(*values), told()) is None


def test_without_an_interval_or_a_forecast_nothing_is_said() -> None:
    assert off_track(SCOPE, metric("dau"), kept(60, 60), told((None, None))) is None
    assert off_track(SCOPE, metric("dau"), kept(60, 60), {}) is None
