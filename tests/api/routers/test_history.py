"""Who put a row right, when and how, from the table that the sink keeps of the topic ``config``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_schemas.codec import decode
from loopin_schemas.config import ConfigRecord
from loopin_sinks.config_history import CONFIG_HISTORY, Change, history_to_arrow
from loopin_sinks.store import Store
from tests.api.config_in_memory import Log
from tests.api.conftest import NOW, TOPIC_ID
from tests.api.routers.test_error_log import Clock, ask, write
from tests.metrics.stored import store_persons
from tests.metrics.worlds import world

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker, log: Log, clock: Clock) -> FastAPI:
    return create_app(settings, store, broker, config=log, writer=log, clock=clock)


async def copy(log: Log, store: Store) -> None:
    """What the sink does: a row for each record, a minute apart, and all of them twice."""
    rows = []
    for record in log.records:
        at = round((NOW + timedelta(minutes=record.offset)).timestamp() * 1000)
        kind, _, id = (record.key or b"").decode().partition(":")
        row = Change(kind, id, "", "", at, record.value is None, "", TOPIC_ID, record.offset)
        if record.value is not None:
            told = decode(record.value, ConfigRecord)
            row = row._replace(version=told.version, by=told.by, body=bytes(told.body).decode())
        rows.append(row)
    for _ in range(2):
        await store.insert(CONFIG_HISTORY, history_to_arrow(rows, 0), token=str(uuid4()))


async def test_every_change_of_a_day(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, log: Log, store: Store
) -> None:
    await put([enrich("click", "u", NOW - timedelta(days=1))])
    path = "/api/daily/2026-01-14"
    await write(client, bearer, "PATCH", path, {"error_count": 2, "note": "One was a drill."})
    await write(client, bearer, "PATCH", "/api/daily/2026-01-15", {"error_count": 9})
    await write(client, bearer, "PUT", path, {})
    await write(client, bearer, "DELETE", path)
    body = {"date": "2019-01-01", "api_requests": 5}
    assert (await client.post("/api/daily", json=body, headers=bearer("write"))).status_code == 201
    await copy(log, store)
    found = await ask(client, bearer, f"{path}/history/")
    told = [(each["change"], each["by"], each["values"], each["note"]) for each in found["results"]]
    assert told == [
        ("deleted", "ops", {}, ""),
        ("taken_back", "ops", {}, ""),
        ("corrected", "ops", {"error_count": 2}, "One was a drill."),
    ]
    minutes = [datetime.fromisoformat(each["at"]) - NOW for each in found["results"]]
    assert minutes == [timedelta(minutes=number) for number in (4, 2, 0)]
    second = await ask(client, bearer, f"{path}/history?page=2&page_size=2")
    assert (second["count"], second["results"]) == (3, found["results"][2:])
    (made,) = (await ask(client, bearer, "/api/daily/2019-01-01/history"))["results"]
    assert (made["change"], made["by"], made["values"]) == ("created", "user-1", {"api_requests": 5})
    await write(client, bearer, "PATCH", "/api/daily/2019-01-01", {"api_requests": 6})
    await write(client, bearer, "DELETE", "/api/daily/2019-01-01")
    assert (await client.post("/api/daily", json=body, headers=bearer("write"))).status_code == 201
    await copy(log, store)
    again = (await ask(client, bearer, "/api/daily/2019-01-01/history"))["results"]
    assert [each["change"] for each in again] == ["created", "deleted", "corrected", "created"]
    assert (await ask(client, bearer, "/api/daily/2026-01-13/history"))["count"] == 0
    theirs = await client.get(f"{path}/history", headers=bearer("read", project="other"))
    assert theirs.json()["count"] == 0


async def test_the_history_of_other_rows(
    client: httpx.AsyncClient,
    bearer: Bearer,
    put: Put,
    enrich: Enrich,
    log: Log,
    store: Store,
    refused: Refused,
) -> None:
    error = enrich("error_logged", "system", NOW - timedelta(hours=1), {"level": "error", "message": "m"})
    metric = enrich("system_metric", "system", NOW - timedelta(hours=1), {"metric_type": "x", "value": 1})
    seen = enrich("$pageview", "user-1", NOW - timedelta(hours=1))
    await put([error, metric, seen])
    rows = {
        f"/api/errors/{error.uuid}": {"level": "info"},
        f"/api/metrics/{metric.uuid}": {"value": 2.5},
        "/api/user-analytics/2026-01-15:user-1": {"page_views": 7},
    }
    for path, values in rows.items():
        await write(client, bearer, "PATCH", path, values)
    await copy(log, store)
    await store_persons(store, world(4))
    for path, values in rows.items():
        (change,) = (await ask(client, bearer, f"{path}/history"))["results"]
        assert change["values"] == values, path
    # Made before user-1 became the person that user-0 names.
    assert (await ask(client, bearer, "/api/user-analytics/2026-01-15:user-0/history"))["count"] == 1
    refused(await client.get("/api/user-analytics/x/history", headers=bearer("read")), 404, "UNKNOWN_ROW")
    refused(await client.get("/api/daily/x/history", headers=bearer("ingest")), 403, "INSUFFICIENT_SCOPE")
