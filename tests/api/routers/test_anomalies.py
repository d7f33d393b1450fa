"""Anomalies over HTTP, and the way from an insight to the event that raised one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_sinks.insights.odd_users import odd_users
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store
from tests.api.anomalies_stored import store_anomalies
from tests.api.insights_stored import store_insights
from tests.migrated import migrated_store
from tests.sinks.anomalies.found import some_anomaly

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/api/analytics/anomalies"
NOW = datetime.now(UTC).replace(hour=10, minute=30, second=0, microsecond=0)
SCOPE = Scope(project="shop", zone=UTC, now=NOW, as_set=True)
TOPIC_ID = "0b54b3f8-5bd5-4b07-9f0f-5d1d6c7a1f11"
AT = epoch_ms(NOW - timedelta(hours=1))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("anomalies"), migrated) as store:
        yield store


@pytest_asyncio.fixture(loop_scope="module")
async def store(opened: Store) -> Store:
    for table in ("anomalies", "insights", "events"):
        await opened.command(f"TRUNCATE TABLE {table}")
    return opened


@pytest_asyncio.fixture(loop_scope="module")
async def client(settings: ApiSettings, store: Store, broker: Broker) -> AsyncIterator[httpx.AsyncClient]:
    app: FastAPI = create_app(settings, store, broker, clock=lambda: NOW)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


async def get(client: httpx.AsyncClient, path: str, headers: dict[str, str], **query: Any) -> Any:
    response = await client.get(path, params=query or None, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def test_anomalies_are_listed_newest_first_and_by_what_is_asked(
    client: httpx.AsyncClient, store: Store, bearer: Bearer
) -> None:
    await store_anomalies(
        store,
        some_anomaly(AT, distinct_id="17"),
        some_anomaly(AT + 1, kind="burst"),
        some_anomaly(AT - 40 * 86_400_000),
        some_anomaly(AT, project="other"),
    )
    headers = bearer("read")
    page = await get(client, PATH, headers)
    assert page["count"] == 2
    assert [(one["user_id"], one["kind"]) for one in page["results"]] == [
        ("asha", "burst"),
        (17, "impossible_travel"),
    ]
    for query, number in (
        ({"user_id": "17"}, 1),
        ({"kind": "burst"}, 1),
        ({"kind": "burst", "user_id": "17"}, 0),
        ({"from": "-60d"}, 3),
    ):
        assert (await get(client, PATH, headers, **query))["count"] == number, query
    first = await get(client, PATH, headers, page_size=1)
    following = await get(client, first["next"], headers)
    assert [one["kind"] for one in following["results"]] == ["impossible_travel"]
    assert (await client.get(PATH, params={"kind": "luck"}, headers=headers)).status_code == 422
    assert (await client.get(PATH, params={"page": 9}, headers=headers)).status_code == 404
    assert (await client.get(PATH, headers=bearer("ingest"))).status_code == 403


@pytest.mark.parametrize("off", [timedelta(), timedelta(seconds=40), timedelta(minutes=-25)])
async def test_lineage_leads_from_an_insight_to_the_detector_and_the_event(
    client: httpx.AsyncClient, store: Store, bearer: Bearer, enrich: Enrich, off: timedelta
) -> None:
    anomaly = some_anomaly(AT, raw_partition=0, raw_offset=4711)
    events = [
        enrich("$pageview", "asha", NOW - timedelta(hours=1) + off, raw_offset=4711),
        enrich("$pageview", "asha", NOW - timedelta(hours=1), raw_offset=4712),
        # Of a topic of that name before.
        enrich("$pageview", "ben", NOW - timedelta(hours=1), raw_offset=4711),
    ]
    table = to_arrow(events, 0, [30, 31, 9], TOPIC_ID, lambda _: 3650, 0)
    for _, part in by_month(table):
        await store.insert("events", part, token=str(uuid4()))
    await store_anomalies(store, anomaly)
    (insight,) = await odd_users(store, SCOPE)
    await store_insights(store, insight)
    headers = bearer("read")
    (listed,) = (await get(client, "/api/analytics/insights", headers, type="anomaly"))["results"]
    assert (listed["id"], listed["evidence"]["metric"]) == (insight.id, "impossible_travel")
    tree = await get(client, f"/api/analytics/insights/{insight.id}/lineage", headers)
    (odd,) = tree["made_of"]
    assert (odd["kind"], odd["raw_partition"], odd["raw_offset"]) == ("anomaly", 0, 4711)
    assert [feature["name"] for feature in odd["features"]][0] == "speed_kmh"
    detector, behind = odd["made_of"]
    assert (detector["kind"], detector["id"], detector["threshold"]) == ("detector", "rules 1", 1000.0)
    assert behind["events"] == 1
    (offsets,) = behind["made_of"]
    assert (offsets["topic_id"], offsets["partition"]) == (TOPIC_ID, 0)
    assert (offsets["first_offset"], offsets["last_offset"]) == (30, 30)


async def test_lineage_of_an_anomaly_that_is_gone_is_what_the_insight_noted(
    client: httpx.AsyncClient, store: Store, bearer: Bearer
) -> None:
    await store_anomalies(store, some_anomaly(AT))
    (insight,) = await odd_users(store, SCOPE)
    await store_insights(store, insight)
    await store.command("TRUNCATE TABLE anomalies")
    tree = await get(client, f"/api/analytics/insights/{insight.id}/lineage", bearer("read"))
    (odd,) = tree["made_of"]
    assert (odd["score"], odd["features"], odd["raw_offset"]) == (5470.0, [], None)
    assert [node["kind"] for node in odd["made_of"]] == ["detector"]
