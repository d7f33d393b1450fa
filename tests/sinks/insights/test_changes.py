"""Shares and means are judged by what they are made of: of simulated days, and with hand-made stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from loopin_schemas.metrics import CATALOGUE, Metric, by_name
from loopin_schemas.metrics.definition import looks_back
from loopin_sinks.insights.changes import insight_of, noise_of
from loopin_sinks.insights.findings import change_of
from loopin_sinks.insights.unusual import WEEK, WEEKS, unusual
from loopin_sinks.metric_history.stored import Kept
from loopin_sinks.metric_values.scope import EPOCH, Scope

DAYS = WEEKS * WEEK
WORLDS = 2_000
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def metric(name: str) -> Metric:
    found = by_name(name)
    assert found is not None
    return found


def share_told(p: float, numbers: tuple[int, int], then: float | None = None, at: int | None = None) -> float:
    """Of which share of simulated days something is said: of a share of ``p``, or ``then`` on the last."""
    dice = np.random.default_rng(8)
    told = 0
    for _ in range(WORLDS):
        of = dice.integers(numbers[0], numbers[1], DAYS + 1, endpoint=True)
        of[DAYS] = of[DAYS] if at is None else at
        happened = dice.binomial(of, p)
        if then is not None:
            happened[DAYS] = dice.binomial(of[DAYS], then)
        noise = noise_of(metric("payment_failure_rate"), int(of[DAYS]), float(of[DAYS - WEEK : DAYS].mean()))
        values = dict(enumerate((happened / of).tolist()))
        told += noise is not None and unusual(values, DAYS, noise) is not None
    return told / WORLDS


@pytest.mark.parametrize("p", [0.002, 0.005, 0.0227, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("numbers", [(48, 48), (50, 200), (173, 173)])
def test_what_chance_makes_of_a_share_is_left_alone(p: float, numbers: tuple[int, int]) -> None:
    assert share_told(p, numbers) < 0.005


def test_a_share_of_fewer_things_than_usual_is_left_alone() -> None:
    assert share_told(0.1, (500, 600), at=8) < 0.005


def test_a_share_that_has_changed_is_told() -> None:
    assert share_told(0.005, (173, 173), then=0.2) > 0.99
    assert share_told(0.3, (50, 200), then=0.8) > 0.99


def rate_told(r: float, views: float, then: float = 1.0) -> float:
    """How often something is said of a day of likes by views, on which there are ``then`` times as many."""
    dice = np.random.default_rng(10)
    told = 0
    for _ in range(WORLDS):
        of = dice.poisson(views, DAYS + 1).clip(1)
        likes = dice.poisson(np.array([r * views] * DAYS + [r * views * then]))
        noise = noise_of(metric("engagement_rate"), int(of[DAYS]), float(of[DAYS - WEEK : DAYS].mean()))
        told += noise is not None and unusual(dict(enumerate((likes / of).tolist())), DAYS, noise) is not None
    return told / WORLDS


@pytest.mark.parametrize("r", [0.005, 0.05, 0.5, 1.5, 6.0])
@pytest.mark.parametrize("views", [48, 200])
def test_what_chance_makes_of_two_independent_numbers_is_left_alone(r: float, views: float) -> None:
    assert rate_told(r, views) < 0.005


def test_a_rate_that_has_changed_is_told() -> None:
    assert rate_told(1.5, 200, then=2) > 0.99
    assert rate_told(0.05, 200, then=8) > 0.99


def test_what_is_usual_of_a_rate_above_1_lies_within_what_is_within_chance() -> None:
    day = (NOW - timedelta(days=1)).date().toordinal() - EPOCH.toordinal()
    values = {day - back: 1.5 + back % 7 / 100 for back in range(1, DAYS + 1)}
    engagement, scope = metric("engagement_rate"), Scope(project="shop", zone=UTC, now=NOW)
    for value in (4.0, 0.2):
        noise = noise_of(engagement, 500, 500.0)
        assert noise is not None
        found = unusual({**values, day: value}, day, noise)
        assert found is not None
        evidence = insight_of(scope, engagement, Kept(value, NOW), value, day, found).evidence
        assert evidence.low is not None
        assert evidence.high is not None
        assert evidence.expected is not None
        assert 0 < evidence.low < 1.5 <= evidence.expected < 1.6 < evidence.high < 4


@pytest.mark.parametrize("usual", [25, 400])
def test_a_mean_of_fewer_things_than_usual_is_left_alone(usual: int) -> None:
    dice = np.random.default_rng(9)
    told = 0
    for _ in range(WORLDS):
        of = dice.poisson(usual, DAYS + 1).clip(1)
        of[DAYS] = 20
        values = dict(enumerate(float(dice.normal(0.07, 0.5, number).mean()) for number in of))
        noise = noise_of(metric("review_sentiment"), 20, float(of[DAYS - WEEK : DAYS].mean()))
        told += noise is not None and unusual(values, DAYS, noise) is not None
    assert told / WORLDS < 0.005


def test_fewer_things_than_the_least_say_nothing() -> None:
    assert noise_of(metric("review_sentiment"), 6, 6.0) is None
    assert noise_of(metric("review_sentiment"), 6, 60.0) is None
    assert noise_of(metric("error_rate"), 90, 90.0) is None
    # That nobody bought anything, or that all of the few that came failed, is something where many are usual.
    assert noise_of(metric("revenue"), 0, 60.0) is not None
    assert noise_of(metric("revenue"), 2, 3.0) is None
    assert noise_of(metric("error_rate"), 90, 900.0) is not None


@pytest.mark.parametrize(
    ("name", "value", "expected", "told"),
    [
        ("dau", 100.0, 200.0, " (-50%)"),
        ("dau", 4.0, 0.0, ""),
        ("error_rate", 0.2, 0.005, " (+3900%)"),
        # A percentage of what may be negative, or is about nothing, says nothing.
        ("review_sentiment", -0.43, 0.07, " (-0.50)"),
        ("review_sentiment", 0.8, 0.2, " (+0.60)"),
        ("revenue", 50.0, 100.0, " (-50%)"),
        ("revenue", -20.0, 100.0, " (-120.00 EUR)"),
        ("revenue", 20.0, -100.0, " (+120.00 EUR)"),
        ("revenue_growth", 0.25, 0.05, " (+20.0 percentage points)"),
    ],
)
def test_a_change_is_told_in_percent_where_that_means_something(
    name: str, value: float, expected: float, told: str
) -> None:
    assert change_of(metric(name), "EUR", value, expected) == told


def test_what_is_made_of_former_days_is_named() -> None:
    assert {each.name for each in CATALOGUE if looks_back(each.definition)} == {
        "total_users", "wau", "mau", "stickiness", "churn_rate", "high_churn_share", "host_dropout_rate",
        "user_verification_rate", "profile_completion_rate",
        "mau_growth", "revenue_growth", "event_creation_growth",
    }  # fmt: skip
