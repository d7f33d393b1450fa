"""Each endpoint's golden example against a real answer: same fields in order, same types, same units.

A golden file holds the request, the answer, and what events it needs beside the usual ones; numbers and
times may differ, their types may not. Null in the file stands for null, and the units are the descriptions in
OpenAPI.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.queries import recalculation
from loopin_api.settings import ApiSettings
from loopin_schemas.alert import Alert
from loopin_schemas.anomaly import Anomaly
from loopin_schemas.behaviour import Rsvp
from loopin_schemas.profile import Score
from loopin_schemas.window import MetricWindow
from loopin_sinks.store import Store
from tests.api.alerts_stored import store_alerts, store_windows
from tests.api.anomalies_stored import store_anomalies
from tests.api.config_in_memory import Log
from tests.api.insights_stored import some_insight, store_days, store_insights
from tests.api.personas_stored import store_personas
from tests.api.scores_stored import scored
from tests.sinks.persons.lived import lived, store_profiles
from tests.streams.behaviour.plain_habits import Did

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

GOLDEN = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parent / "golden").glob("*.json"))
}
NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


def shape(value: Any) -> Any:
    """A value's fields and types; times are told from other text."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    if isinstance(value, str) and len(value) == 24 and value.endswith("Z"):
        datetime.fromisoformat(value)
        return "time"
    return type(value).__name__


def order(value: Any) -> Any:
    """The order of all fields."""
    return [(key, order(item)) for key, item in value.items()] if isinstance(value, dict) else None


def firsts(value: Any) -> Any:
    """The same with the first item of each list only, for lists as long as the catalogue."""
    if isinstance(value, dict):
        return {key: firsts(item) for key, item in value.items()}
    return [firsts(item) for item in value[:1]] if isinstance(value, list) else value


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """No task runs: who asks for a computation does not wait."""
    monkeypatch.setattr(recalculation, "WAIT_S", 0.0)
    log = Log()
    return create_app(settings, store, broker, config=log, writer=log, clock=lambda: NOW)


@pytest.mark.parametrize("name", GOLDEN)
async def test_the_answer_has_the_golden_shape(
    client: httpx.AsyncClient,
    described: dict[str, Any],
    store: Store,
    bearer: Bearer,
    put: Put,
    enrich: Enrich,
    name: str,
) -> None:
    golden = GOLDEN[name]
    await store_alerts(store, msgspec.convert(golden.get("alerts", []), list[Alert]))
    await store_anomalies(store, *msgspec.convert(golden.get("anomalies", []), list[Anomaly]))
    await store_windows(store, msgspec.convert(golden.get("windows", []), list[MetricWindow]))
    for number in range(1, 1 + golden.get("insights", 0)):
        await store_insights(store, some_insight(NOW - timedelta(hours=4), number))
    days = {datetime.fromisoformat(at): value for at, value in golden.get("daily_users", {}).items()}
    await store_days(store, days, NOW - timedelta(hours=4))
    if golden.get("personas"):
        await store_personas(store, NOW - timedelta(hours=7))
    if golden.get("scores"):
        at_ms = round((NOW - timedelta(hours=7)).timestamp() * 1000)
        scores = {target: Score(0.83, at_ms, 7, (1, -3, 4)) for target in ("churn", "conversion")}
        rsvps = [Rsvp("event-789", at_ms, b"", 0.71, version=3)]
        await store_profiles(store, {"123": scored(NOW - timedelta(hours=7), scores, rsvps)})
    at = NOW - timedelta(hours=2)
    did = [
        Did(one["event"], round(at.timestamp() * 1000), one["properties"]) for one in golden.get("did", [])
    ]
    if did:
        profile = lived(did)
        profile.scores = {"churn": Score(0.15, did[-1].at, 7, (0,))}
        await store_profiles(store, {"user-1": profile})
    await put(
        [
            enrich("$pageview", "user-1", at),
            enrich("event_created", "user-2", at),
            enrich("click", "user-1", NOW - timedelta(minutes=2), {"country": "IN"}),
            enrich("content_viewed", "user-1", at, {"content_type": "article", "object_id": 17}),
            enrich(
                "ticket_purchased", "user-1", at + timedelta(minutes=9), {"amount": 500.0, "currency": "INR"}
            ),
            enrich("ticket_purchased", "user-1", at, {"amount": 31.0, "currency": "EUR"}),
            *(
                enrich(one["event"], one["user"], datetime.fromisoformat(one["at"]), one["properties"])
                for one in golden.get("events", [])
            ),
        ]
    )
    request = golden["request"]
    response = await client.request(
        request["method"],
        request["path"],
        json=request.get("body"),
        headers=bearer(*golden.get("scopes", ["read", "ingest", "write"])),
    )
    assert response.status_code == golden["status"], response.text
    answer = response.json()
    if golden.get("first_of_lists"):
        answer = firsts(answer)
    assert shape(answer) == shape(golden["answer"])
    assert order(answer) == order(golden["answer"])
    for field, unit in golden.get("units", {}).items():
        schema = described["components"]["schemas"][golden["schema"]]["properties"]
        assert unit in schema[field]["description"], field


def test_each_json_endpoint_has_one(described: dict[str, Any]) -> None:
    covered = {golden["request"]["path"].partition("?")[0] for golden in GOLDEN.values()}
    for template in (
        "/api/analytics/metrics/{name}",
        "/api/analytics/content/{content_type}/{object_id}",
        "/api/analytics/users/{user_id}",
        "/api/analytics/recommendations/{user_id}",
        "/api/analytics/recommendations/similar/{type}/{id}",
        "/api/analytics/alerts/{id}",
        "/api/analytics/tasks/{name}/run",
        "/api/analytics/insights/{id}",
    ):
        start = template.partition("{")[0]
        covered |= {template for path in covered if path.startswith(start)}
    covered |= {
        f"{start}/{{{name}}}/{end}"
        for path in covered
        for start, name, end in (
            ("/api/analytics/alerts", "id", "ack"),
            ("/api/analytics/alert-rules", "name", "backtest"),
            ("/api/analytics/insights", "id", "lineage"),
            ("/api/analytics/insights", "id", "dismiss"),
            ("/api/analytics/insights", "id", "rate"),
        )
        if path.startswith(f"{start}/") and path.endswith(f"/{end}")
    }
    known = {path for path in described["paths"] if path.startswith("/api/analytics")}
    assert known - covered == {
        "/api/analytics/export",
        "/api/analytics/export/events",
        "/api/analytics/live",  # a stream
        "/api/analytics/metric-definitions/{name}",  # one of the list's items
        "/api/analytics/alert-rules/{name}",
        "/api/analytics/silences/{id}",
        "/api/analytics/tasks/{name}",
        "/api/analytics/task-runs/{id}",
        "/api/analytics/task-runs/{id}/cancel",  # as the former
        "/api/analytics/sentiment/{uuid}",  # the fields of a text's, of what a task has judged
        "/api/analytics/insights/runs/{id}",  # as the answer to who asked for it
        "/api/analytics/metrics/calculations/{id}",  # as the answer to who asked for it
    }
