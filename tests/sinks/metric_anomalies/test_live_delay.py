"""How soon the hour up to now shows what has happened: the figures of docs/insights.md, in small."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from loopin_schemas.metrics import by_name
from loopin_sinks.metric_anomalies.found import MetricAnomaly, Point
from loopin_sinks.metric_anomalies.live import expected_hour, judged_hour
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from tests.sinks.metric_anomalies.seasons import HOUR, mean_at

BEGUN = datetime(2026, 1, 5, tzinfo=UTC)
SCOPE = Scope(project="shop", zone=UTC, now=BEGUN)
DAYS = 36
LEVEL = 2_000.0
Minutes = NDArray[np.float64]


@pytest.fixture(scope="module")
def means() -> Minutes:
    """Of each minute of the days, and of one more day."""
    return np.repeat([mean_at(BEGUN + hour * HOUR, LEVEL) / 60 for hour in range(24 * (DAYS + 1))], 60)


@pytest.fixture(scope="module")
def minutes(means: Minutes) -> Minutes:
    return np.random.default_rng(3).poisson(means).astype(np.float64)


def look(minutes: Minutes, end: int) -> MetricAnomaly | None:
    """At the hour up to a minute, as the task does; ``end`` is counted from the beginning."""
    metric = by_name("page_views")
    assert metric is not None
    by_hour = minutes[: (end - 120) // 60 * 60].reshape(-1, 60).sum(axis=1)
    points = [Point(epoch_ms(BEGUN + hour * HOUR), float(value), 0) for hour, value in enumerate(by_hour)]
    start = epoch_ms(BEGUN) + (end - 60) * 60_000
    expected = expected_hour(metric, points, start, SCOPE)
    return judged_hour(metric, float(minutes[end - 60 : end].sum()), expected, start, len(points), SCOPE)


def test_nothing_is_told_where_nothing_happens(minutes: Minutes) -> None:
    first = DAYS * 24 * 60
    assert [look(minutes, end) for end in range(first, first + 24 * 60, 45)] == [None] * 32


@pytest.mark.parametrize(("factor", "within"), [(0.0, 10), (2.0, 15), (0.5, 25)])
def test_what_happens_is_found_within_minutes(
    means: Minutes, minutes: Minutes, factor: float, within: int
) -> None:
    at = (DAYS * 24 + 10) * 60 + 20
    after = minutes.copy()
    after[at:] = np.random.default_rng(4).poisson(means[at:] * factor)
    found = look(after, at + within)
    assert found is not None
    assert (found.score > 0) == (factor > 1)
    assert look(after, at) is None


def test_of_two_weeks_and_less_nothing_is_known(minutes: Minutes) -> None:
    assert look(minutes, 13 * 24 * 60) is None
