"""A rate of few things is no farther off than chance makes it, however calm the hours of many were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import sqrt
from pathlib import Path

import pytest

from loopin_schemas.metrics import by_name
from loopin_sinks.metric_anomalies.found import MetricAnomaly
from loopin_sinks.metric_anomalies.sure import sure
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from tests.migrated import migrated_store
from tests.sinks.personas.stored_events import Done, put

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("likes", "told"), [(60, False), (160, True), (5, False)])
async def test_likes_of_thirty_views(tmp_path: Path, migrated: Path, likes: int, told: bool) -> None:
    """1.5 likes a view are usual: 45 of 30 views, with a standard deviation of nearly 11."""
    engagement = by_name("engagement_rate")
    assert engagement is not None
    anomaly = MetricAnomaly(
        metric=engagement.name,
        grain="hour",
        start=epoch_ms(NOW - HOUR),
        value=likes / 30,
        expected=1.5,
        low=1.4,
        high=1.6,
        score=60.0 if likes > 45 else -60.0,
        confidence=0.99,
        compared=900,
        calculated_at=epoch_ms(NOW),
    )
    async with migrated_store(tmp_path, migrated) as store:
        await put(store, [Done(f"u{n}", "content_viewed", NOW - HOUR / 2) for n in range(30)])
        found = await sure(Calculator(store, Scope(project="shop", zone=UTC, now=NOW)), engagement, [anomaly])
    assert bool(found) is told
    if told:
        # The relative errors of both numbers, squared and added.
        chance = 1.5 * sqrt(1 / 45 + 1 / 30)
        assert found[0].score == pytest.approx((likes / 30 - 1.5) / chance, rel=0.05)
