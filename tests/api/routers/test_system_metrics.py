"""Measurements of systems over HTTP are those that were sent, as put right since."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_sinks.store import Store
from tests.api.config_in_memory import Log
from tests.api.enriched import enriched
from tests.api.routers.test_error_log import Clock, ask, write

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
METRICS = "/api/metrics"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker, clock: Clock) -> FastAPI:
    log = Log()
    return create_app(settings, store, broker, config=log, writer=log, clock=clock)


async def test_what_is_posted_is_read_again(
    client: httpx.AsyncClient, bearer: Bearer, broker: Broker, put: Put, clock: Clock
) -> None:
    sent = [
        {"metric_type": "cpu_usage", "value": 42.5},
        {
            "metric_type": "response_time_ms",
            "value": 250,
            "component": "api",
            "operation": "create_event",
            "recorded_at": "2026-01-15T10:00:00Z",
            "status_code": 200,
            "memory_usage_mb": 45.2,
            "region": "eu",
        },
    ]
    made = [(await client.post(METRICS, json=one, headers=bearer("ingest"))).json() for one in sent]
    await put(enriched(broker))
    clock.now = datetime.now(UTC) + timedelta(seconds=1)
    listed = await ask(client, bearer, f"{METRICS}/?from=2026-01-01&ordering=value")
    assert listed == {"count": 2, "next": None, "previous": None, "results": made}
    assert await ask(client, bearer, f"{METRICS}/{made[1]['id']}/") == made[1]
    parts = ("component", "operation", "response_time_ms", "status_code", "memory_usage_mb")
    assert [made[1][name] for name in parts] == ["api", "create_event", None, 200, 45.2]
    assert made[1]["additional_data"] == {"region": "eu"}
    assert [made[0][name] for name in parts] == [None] * 5


async def test_lists_and_corrections(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, refused: Refused
) -> None:
    def metric(minute: int, value: Any, of: str = "cpu_usage", **about: Any) -> Any:
        told = {"metric_type": of, "value": value, **about}
        return enrich("system_metric", "system", NOW - timedelta(minutes=minute), told)

    rows = [
        metric(1, 40, component="api"),
        metric(2, "12.5", component="api", operation="create_event"),
        metric(3, 7, "open_files", host="a"),
        metric(4, "much"),
        metric(60 * 24 * 40, 1),
        enrich("system_metric", "system", NOW - timedelta(minutes=1), {"metric_type": "x"}, project="other"),
    ]
    await put(rows)
    ids = [row.uuid for row in rows]
    values = {row["id"]: row["value"] for row in (await ask(client, bearer, METRICS))["results"]}
    assert values == {ids[0]: 40.0, ids[1]: 12.5, ids[2]: 7.0, ids[3]: None}

    path = f"{METRICS}/{ids[2]}"
    before = await ask(client, bearer, path)
    assert before["additional_data"] == {"host": "a"}
    changed = await write(client, bearer, "PATCH", path, {"value": 700.5, "component": "sink"})
    expected = {**before, "value": 700.5, "component": "sink", "corrected_fields": ["component", "value"]}
    assert changed == expected == await ask(client, bearer, path)
    for query, expected_ids in (
        ("metric_type=cpu_usage&ordering=recorded_at", [ids[3], ids[1], ids[0]]),
        ("component=api", ids[:2]),
        ("component=sink", [ids[2]]),
        ("operation=create_event", [ids[1]]),
        ("ordering=-value", [ids[2], ids[0], ids[1], ids[3]]),
        ("days=60&ordering=value", [ids[4], ids[1], ids[0], ids[2], ids[3]]),
    ):
        found = await ask(client, bearer, f"{METRICS}?{query}")
        assert [row["id"] for row in found["results"]] == expected_ids, query
        assert found["count"] == len(expected_ids)
    assert await write(client, bearer, "PUT", path, before) == before
    answer = await client.patch(path, json={"recorded_at": 5, "value": 1}, headers=bearer("write"))
    assert [each["field"] for each in refused(answer, 422, "VALIDATION_ERROR")["details"]] == ["recorded_at"]
    await write(client, bearer, "DELETE", path)
    refused(await client.get(path, headers=bearer("read")), 404, "UNKNOWN_ROW")
    assert (await ask(client, bearer, METRICS))["count"] == 3
    refused(await client.get(f"{METRICS}/{ids[5]}", headers=bearer("read")), 404, "UNKNOWN_ROW")


@pytest.mark.parametrize(
    ("how", "path", "body", "field"),
    [
        ("GET", f"{METRICS}?ordering=component", None, "ordering"),
        ("GET", f"{METRICS}?metric=x", None, "metric"),
        ("PATCH", f"{METRICS}/x", {"value": "1"}, "value"),
        ("PATCH", f"{METRICS}/x", {"metric_type": None}, "metric_type"),
        ("PUT", f"{METRICS}/x", {"unit": "%"}, "unit"),
    ],
)
async def test_what_cannot_be_asked(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, how: str, path: str, body: Any, field: str
) -> None:
    answer = await client.request(how, path, json=body, headers=bearer("read", "write"))
    assert [each["field"] for each in refused(answer, 422, "VALIDATION_ERROR")["details"]] == [field]
    refused(await client.request(how, path, json=body, headers=bearer("ingest")), 403, "INSUFFICIENT_SCOPE")
