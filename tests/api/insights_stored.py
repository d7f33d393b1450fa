"""Stored insights to be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from loopin_schemas.insight import Evidence, Insight
from loopin_schemas.metrics import by_name
from loopin_sinks.insights.stored import replace
from loopin_sinks.metric_history.stored import NewValue, keep
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.store import Store

DAY = timedelta(days=1)


def some_insight(found: datetime, number: int = 1, project: str = "shop", **of: Any) -> Insight:
    """Of the day before it was found, of interest for a week."""
    midnight = found.replace(hour=0, minute=0, second=0, microsecond=0)
    at = epoch_ms(midnight - DAY)
    fields: dict[str, Any] = {
        "id": f"{project}/metric_change/dau/2026-01-{number:02}",
        "project": project,
        "insight_type": "metric_change",
        "target_id": "dau",
        "title": "DAU was unusually low on Wednesday 14 January (-50%)",
        "description": "100 on Wednesday 14 January, where 201 is usual and up to 151 is within chance.",
        "confidence_score": 0.99,
        "is_actionable": True,
        "suggested_actions": ("See its days: /api/analytics/metrics/dau?grain=day.",),
        "priority": "critical",
        "evidence": Evidence(
            metric="dau",
            grain="day",
            start=at,
            value=100.0,
            calculated_at=epoch_ms(found),
            expected=201.0,
            low=151.0,
            high=251.0,
            compared=(epoch_ms(midnight - 8 * DAY),),
        ),
        "created_at": epoch_ms(found),
        "expires_at": epoch_ms(found + 7 * DAY),
    }
    return Insight(**{**fields, **of})


async def store_insights(store: Store, *insights: Insight) -> None:
    """As if they were found, each project's all at once."""
    for project in {each.project for each in insights}:
        own = [each for each in insights if each.project == project]
        # Nobody was there before, so that none is withdrawn.
        first = datetime.fromisoformat("2000-01-01T00:00:00Z")
        await replace(store, project, own, first)


async def store_days(
    store: Store, values: Mapping[datetime, float], calculated_at: datetime, metric: str = "dau"
) -> None:
    """What a metric of the project shop came to on days of UTC."""
    found = by_name(metric)
    assert found is not None
    scope = Scope(project="shop", zone=UTC, now=calculated_at, as_set=True)
    await keep(
        store, scope, [NewValue(found, "day", at, value, calculated_at) for at, value in values.items()]
    )
