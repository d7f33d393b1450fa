"""The range that an anomaly says was expected: no value that the metric cannot have, and all that it can."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest

from loopin_schemas.alert import ExpectedRange
from loopin_schemas.alert_rule import AlertRule, Anomaly
from loopin_streams.alerts.history import Histories
from loopin_streams.windows.grains import HOUR_MS

BEGIN = round(datetime(2026, 1, 5, tzinfo=UTC).timestamp() * 1000)


def expected(metric: str, least: float, most: float, odd: float) -> ExpectedRange:
    """After five weeks of values between these two, by which range an odd one is judged."""
    rule = AlertRule(project="shop", name="odd", metric=metric, condition=Anomaly(), grain="hour", at_least=0)
    history = Histories(lambda _: UTC).of(("shop", "odd", ""), rule, "value")
    dice, hours = Random(14), 5 * 7 * 24
    for hour in range(hours):
        history.learn(BEGIN + hour * HOUR_MS, 100, dice.uniform(least, most), fired=False)
    verdict = history.judge(rule, BEGIN + hours * HOUR_MS, 100, odd)
    assert verdict.severity is not None
    assert verdict.expected is not None
    return verdict.expected


@pytest.mark.parametrize(
    ("metric", "least", "most", "odd"),
    [
        ("revenue_growth", -0.3, -0.2, 5.0),
        ("review_sentiment", -0.3, -0.2, 0.9),
        ("event_rating", 2.9, 3.1, 1.0),
        ("satisfaction", 0.4, 0.5, 1.0),
        ("engagement_rate", 1.4, 1.6, 5.0),
        ("event_cancellation_rate", 0.9, 1.2, 5.0),
    ],
)
def test_what_is_usual_is_expected(metric: str, least: float, most: float, odd: float) -> None:
    found = expected(metric, least, most, odd)
    assert found.low < least < most < found.high


def test_nothing_impossible_is_expected() -> None:
    assert expected("satisfaction", 0.0, 0.1, 1.0).low == 0
    assert expected("event_rating", 4.8, 5.0, 1.0).high == 5
    assert expected("review_sentiment", -1.0, -0.9, 1.0).low == -1
    assert expected("event_creation_growth", -1.0, -0.9, 1.0).low == -1
    assert expected("engagement_rate", 0.0, 0.1, 5.0).low == 0
    assert expected("payment_failure_rate", 0.9, 1.0, 0.0).high == 1
