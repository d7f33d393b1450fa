"""Which corrections outlive their rows, and that the task removes those and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from loopin_schemas import EnrichedEvent
from loopin_schemas.corrections import Correction, ErrorGroup, Resource
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store, StoreError, StoreSettings, open_store
from loopin_sinks.tasks import runner as running
from loopin_sinks.tasks.clean_up_corrections import CLEAN_UP_CORRECTIONS, clean_up
from loopin_sinks.tasks.runner import TaskRunner
from loopin_sinks.tasks.task import Arguments, Context
from loopin_streams.kafka.errors import ConfigConflict
from tests.api.config_in_memory import Log
from tests.migrated import fill

NOW = datetime.now(UTC)
"""The engine removes rows by its own clock."""

KEPT = 10
"""For how many days events are kept, and there are any."""


@pytest.fixture
async def store(tmp_path: Path, migrated: Path) -> AsyncIterator[Store]:
    """With an error of each day that is kept."""
    chosen = StoreSettings(data_dir=tmp_path / "data")
    fill(chosen, migrated)
    store = open_store(chosen)
    rows = to_arrow([error(day) for day in range(KEPT)], 0, range(KEPT), str(uuid4()), lambda _: KEPT, 0)
    for month, part in by_month(rows):
        await store.insert("events", part, token=str(month))
    yield store
    await store.close()


def error(days: int) -> EnrichedEvent:
    properties = msgspec.Raw(b'{"level":"error","message":"m","$exception_fingerprint":"there"}')
    return EnrichedEvent(
        project="shop",
        uuid=str(uuid4()),
        event="error_logged",
        distinct_id="system",
        timestamp=ago(days),
        received_at=ago(days),
        properties=properties,
        raw_partition=0,
        raw_offset=0,
    )


def ago(days: int) -> int:
    return round((NOW - timedelta(days=days)).timestamp() * 1000)


def day(days: int) -> str:
    return str((NOW - timedelta(days=days)).date())


def correction(resource: Resource, row: str, made: int, **how: Any) -> Correction:
    values = {} if how.get("deleted") else {"value": 1}
    return Correction(
        project=how.pop("project", "shop"),
        resource=resource,
        row=row,
        at=ago(made),
        by="ops",
        values=values,
        **how,
    )


def group(fingerprint: str, made: int) -> ErrorGroup:
    return ErrorGroup(project="shop", fingerprint=fingerprint, resolved=True, at=ago(made), by="ops")


OUTLIVED: list[Correction | ErrorGroup] = [
    correction("metrics", "m-old", KEPT + 2),
    correction("errors", "e-old", KEPT + 2, deleted=True),
    correction("daily", day(1100), 1097),
    correction("user-analytics", f"{day(KEPT + 2)}:u", 1),
    correction("user-analytics", f"{day(1100)}:u", 1097, created=True),
    group("gone", KEPT + 2),
]
THERE: list[Correction | ErrorGroup] = [
    correction("metrics", "m-new", KEPT - 1),
    correction("errors", "e-new", KEPT, deleted=True),
    correction("daily", day(KEPT + 2), KEPT + 2),
    correction("daily", day(1100), 1, note="an old day, put right of late", project="shop-2"),
    correction("daily", day(1101), 1),
    correction("user-analytics", f"{day(KEPT - 1)}:u", 1),
    correction("user-analytics", f"{day(KEPT + 3)}:u", 1, created=True),
    correction("errors", "e-old", KEPT + 2, project="empty"),
    group("there", KEPT + 2),
    group("of late", 1),
]


def context(store: Store, log: Log) -> Context:
    return Context(
        store, log.configuration, lambda project, now: Scope(project, UTC, now), lambda: NOW, Arguments(), log
    )


async def filled(log: Log) -> Log:
    for body in (*OUTLIVED, *THERE):
        await log.put(body.id, body, replaces=None, by="ops")
    return log


def kept(log: Log) -> set[str]:
    of = log.configuration.of
    return {*of(Correction), *of(ErrorGroup)}


async def test_what_outlived_its_row_is_removed(store: Store) -> None:
    log = await filled(Log())
    assert await clean_up(context(store, log)) == len(OUTLIVED)
    assert kept(log) == {body.id for body in THERE}
    assert await clean_up(context(store, log)) == 0


class Changed(Log):
    """Somebody has just changed one item."""

    async def remove(self, kind: str, id: str, *, replaces: str) -> None:
        if id == OUTLIVED[0].id:
            raise ConfigConflict("It has been changed meanwhile.")
        await super().remove(kind, id, replaces=replaces)


async def test_what_somebody_changes_meanwhile_stays(store: Store) -> None:
    log = await filled(Changed())
    assert await clean_up(context(store, log)) == len(OUTLIVED) - 1
    assert kept(log) == {body.id for body in (OUTLIVED[0], *THERE)}


async def test_a_broker_that_is_away_is_told(store: Store) -> None:
    log = await filled(Log())
    log.down = True
    with pytest.raises(StoreError, match="Kafka did not answer"):
        await clean_up(context(store, log))
    assert len(kept(log)) == len(OUTLIVED) + len(THERE)


async def test_the_runner_gives_it_what_changes_the_configuration(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SETTLE_S", 0.0)
    log = await filled(Log())
    runner = TaskRunner(
        store,
        log,
        scope=lambda project, now: Scope(project, UTC, now),
        zone=UTC,
        leads=lambda: True,
        tasks=[CLEAN_UP_CORRECTIONS],
        writer=log,
        clock=lambda: NOW,
    )
    await runner.look()
    await runner.settled()
    assert kept(log) == {body.id for body in THERE}
    assert runner.ended == {("clean_up_corrections", "done"): 1}
