"""Planted periods are found in series with seasons, and nothing is said of what tells nothing."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from loopin_schemas.metrics import Metric, by_name
from loopin_sinks.metric_anomalies.found import Point, anomalies, by_chance, confidence, judged_grain
from loopin_sinks.metric_anomalies.live import judged_hour
from loopin_sinks.metric_values.scope import Scope
from loopin_streams.alerts.seasonal import Expected
from tests.sinks.metric_anomalies.seasons import HOUR, hours, mean_at

END = datetime(2026, 3, 2, tzinfo=UTC)


def metric(name: str) -> Metric:
    found = by_name(name)
    assert found is not None
    return found


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def series(number: int, level: float = 200.0, seed: int = 4) -> dict[datetime, float]:
    return dict(hours(END, number, level, random.Random(seed)))


def points(values: dict[datetime, float]) -> list[Point]:
    return [Point(ms(at), value, ms(at + HOUR)) for at, value in sorted(values.items())]


def test_planted_hours_are_found_and_no_others() -> None:
    values = series(6 * 168)
    spike, drop = END - 30 * HOUR, END - 9 * HOUR
    values[spike], values[drop] = 2 * values[spike], 0.0
    found = anomalies(metric("page_views"), "hour", points(values), ms(END - 48 * HOUR), UTC)
    assert [(each.start, each.score > 0) for each in found] == [(ms(spike), True), (ms(drop), False)]
    for each in found:
        at = datetime.fromtimestamp(each.start / 1000, UTC)
        # What it was made by, to the few percent that six weeks tell.
        assert each.expected == pytest.approx(mean_at(at, 200.0), rel=0.15)
        assert not each.low <= each.value <= each.high
        assert each.compared == len(values) - (END - at) // HOUR
        assert each.calculated_at == ms(at + HOUR)


def test_a_project_of_two_days_says_nothing() -> None:
    values = series(48)
    values[END - HOUR] = 10_000.0
    assert anomalies(metric("page_views"), "hour", points(values), 0, UTC) == []


def test_what_is_missing_or_no_number_is_passed_over() -> None:
    values = series(6 * 168)
    spike = END - 5 * HOUR
    values[spike] = 1_000.0
    for back in range(100, 140):
        del values[END - back * HOUR]
    for back, nothing in ((50, math.nan), (6, math.inf), (4, -math.inf)):
        values[END - back * HOUR] = nothing
    found = anomalies(metric("page_views"), "hour", points(values), ms(END - 48 * HOUR), UTC)
    assert [each.start for each in found] == [ms(spike)]
    assert anomalies(metric("page_views"), "hour", [], 0, UTC) == []


def test_days_of_a_ratio_have_their_weekdays() -> None:
    dice = random.Random(1)
    values = {}
    for back in range(70, 0, -1):
        day = END - timedelta(days=back)
        values[day] = (0.5 if day.weekday() < 5 else 0.3) + dice.gauss(0, 0.01)
    weekend = max(day for day in values if day.weekday() == 6)
    values[weekend] = 0.5  # As on any weekday, which is not usual on a Sunday.
    found = anomalies(metric("join_to_attend"), "day", points(values), ms(END - timedelta(days=7)), UTC)
    assert [each.start for each in found] == [ms(weekend)]
    assert found[0].high < 0.5


def test_hours_are_judged_where_there_are_any() -> None:
    assert judged_grain(metric("page_views")) == "hour"
    assert judged_grain(metric("dau")) == "day"


@pytest.mark.parametrize("name", ["total_users", "mau", "wau", "churn_rate", "stickiness", "revenue_growth"])
def test_what_is_made_of_the_days_before_has_no_season(name: str) -> None:
    assert judged_grain(metric(name)) is None


@given(st.floats(4, 40), st.floats(0, 10))
def test_farther_off_is_surer(score: float, more: float) -> None:
    assert 0.9 < confidence(score, "hour") <= confidence(score + more, "hour") <= 0.99
    assert confidence(-score, "hour") == confidence(score, "hour")


@pytest.mark.parametrize(("p", "number"), [(0.05, 200), (0.3, 100), (0.5, 60)])
def test_what_chance_makes_of_shares_is_not_far(p: float, number: int) -> None:
    far = [k for k in range(number + 1) if abs(by_chance("share", k / number, p, number)) >= 4]
    # 4 standard deviations are passed once in 16,000 where it is normal; of few things the tail is heavier.
    assert far
    assert sum(binom.pmf(k, number, p) for k in far) < 1e-3


@pytest.mark.parametrize("r", [0.02, 0.3, 1.5, 5.0])
@pytest.mark.parametrize("views", [30, 100, 1000])
def test_what_chance_makes_of_two_independent_numbers_is_not_far(r: float, views: int) -> None:
    dice = np.random.default_rng(5)
    of, likes = dice.poisson(views, 20_000).clip(1), dice.poisson(r * views, 20_000)
    scores = np.array(
        [by_chance("rate", a / n, r, n) for a, n in zip(likes.tolist(), of.tolist(), strict=True)]
    )
    assert (abs(scores) >= 4).mean() < 2e-3
    if r * views >= 30:
        # Nor is it widened more than that, and what has doubled is far.
        assert scores.std() == pytest.approx(1, abs=0.06)
        assert by_chance("rate", 2 * r, r, 10 * views) > 4


def test_what_is_usual_of_a_rate_above_1_is_between_low_and_high() -> None:
    dice = random.Random(3)
    values = {END - back * HOUR: 1.5 + dice.gauss(0, 0.05) for back in range(6 * 168, 0, -1)}
    values[END - 5 * HOUR] = 3.0
    engagement = metric("engagement_rate")
    [found] = anomalies(engagement, "hour", points(values), ms(END - 24 * HOUR), UTC)
    assert 1 < found.low < 1.4 < found.expected < 1.6 < found.high < 2
    scope = Scope(project="shop", zone=UTC, now=END)
    live = judged_hour(engagement, 3.0, Expected(1.5, 1.2, 1.8), ms(END - HOUR), 900, scope)
    assert live is not None
    assert (live.low, live.high) == (1.2, 1.8)


def test_one_failure_of_thirty_is_nothing_whatever_was_usual() -> None:
    assert abs(by_chance("share", 1 / 30, 0.0, 30)) < 4
    assert by_chance("share", 10 / 30, 0.0, 30) > 4
    assert by_chance("share", 1.0, 0.0, 0) == 0.0
