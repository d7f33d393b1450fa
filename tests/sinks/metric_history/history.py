"""A store with events of chosen days, and runs of the tasks that keep what metrics come to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from loopin_schemas import EnrichedEvent
from loopin_schemas.metrics import CATALOGUE, Grain, by_name
from loopin_sinks.metric_history import due
from loopin_sinks.metric_history.recalculate import ending_after
from loopin_sinks.metric_history.stored import kept_values
from loopin_sinks.metric_values.scope import Periods, Scope, from_epoch_ms
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store
from loopin_sinks.tasks.calculate_metrics import CalculateArguments, calculate
from loopin_sinks.tasks.task import Context
from loopin_streams.kafka.config_state import Configuration

TOPIC_ID = "00000000-0000-0000-0000-000000000001"
NOW = (datetime.now(UTC) - timedelta(days=1)).replace(hour=15, minute=20, second=0, microsecond=0)
"""Of late: what is older than the store keeps it would be gone."""

PROJECT = "shop"
NAMES = [metric.name for metric in CATALOGUE]

ScopeOf = Callable[[str, datetime], Scope]


def utc_scope(project: str, now: datetime) -> Scope:
    return Scope(project=project, zone=UTC, now=now)


def event(
    at: datetime,
    name: str = "$pageview",
    user: str = "u",
    properties: Mapping[str, Any] | None = None,
    project: str = PROJECT,
) -> EnrichedEvent:
    ms = round(at.timestamp() * 1000)
    return EnrichedEvent(
        project=project,
        uuid=str(uuid4()),
        event=name,
        distinct_id=user,
        timestamp=ms,
        received_at=ms,
        properties=msgspec.Raw(json.dumps(dict(properties or {})).encode()),
        raw_partition=0,
        raw_offset=0,
    )


async def put(store: Store, *events: EnrichedEvent, days: int = 3650, stored: datetime | None = None) -> None:
    """Store events that are kept for so many days, and were stored at once, or then."""
    at = 0 if stored is None else round(stored.timestamp() * 1000)
    rows = to_arrow(events, 0, range(len(events)), TOPIC_ID, lambda _: days, at)
    for month, part in by_month(rows):
        await store.insert("events", part, token=f"{uuid4()}:{month}")


def only_of_late(patch: pytest.MonkeyPatch, days: Mapping[Grain, int]) -> None:
    """Have nothing calculated of what ended by so many days before, whatever is kept."""

    def ending_of_late(grain: Grain, moment: datetime, end: datetime, zone: tzinfo) -> Periods | None:
        return ending_after(grain, max(moment, end - timedelta(days=days[grain])), end, zone)

    patch.setattr(due, "ending_after", ending_of_late)


async def run(
    store: Store,
    now: datetime = NOW,
    *,
    nightly: bool = False,
    scope: ScopeOf = utc_scope,
    configuration: Configuration | None = None,
    id: str = "run",
    **arguments: Any,
) -> int:
    """One run of the task; how many values it wrote."""
    context = Context(
        store,
        configuration or Configuration(),
        scope,
        lambda: now,
        msgspec.convert(arguments, CalculateArguments),
        run=id,
    )
    return await calculate(context, nightly=nightly)


async def kept(
    store: Store, name: str, grain: Grain = "day", project: str = PROJECT, scope: ScopeOf = utc_scope
) -> dict[datetime, float | None]:
    """All values of a metric by the start of their period."""
    metric = by_name(name)
    assert metric is not None
    found = await kept_values(
        store, scope(project, NOW), [metric], grain, NOW - timedelta(days=2000), NOW + timedelta(days=99)
    )
    return {from_epoch_ms(start): value.value for (_, start), value in sorted(found.items())}
