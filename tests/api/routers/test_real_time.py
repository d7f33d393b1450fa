"""The last minutes over HTTP are what the plain computation gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from msgspec.structs import replace as changed

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_schemas import EnrichedEvent
from loopin_sinks.store import Store
from tests.metrics.plain import EPOCH, MILLISECOND
from tests.metrics.plain_real_time import countries, minute_starts, online, tally, top_events, unconverted
from tests.metrics.stored import settings_of, store_persons
from tests.metrics.worlds import NOW as WHOLE_MINUTE
from tests.metrics.worlds import world

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

PATH = "/api/analytics/real-time"
NOW = WHOLE_MINUTE + timedelta(seconds=17, milliseconds=250)
"""Within a minute, which is the last one."""


def of_late(seed: int) -> list[EnrichedEvent]:
    """The events of a world, most of them moved into the hour before ``NOW``."""
    dice = Random(seed)
    found = []
    for event in world(seed).events:
        properties = json.loads(bytes(event.properties))
        name = event.event
        if dice.random() < 0.1:
            name = dice.choice(["error_logged", "$exception"])
            properties["level"] = dice.choice(["error", "critical", "warning", None])
        at = NOW - timedelta(seconds=dice.uniform(0, 3600))
        if dice.random() < 0.1:  # at the edges of minutes
            at = at.replace(second=0, microsecond=0)
        ms = (at - EPOCH) // MILLISECOND if dice.random() < 0.9 else event.timestamp
        raw = msgspec.Raw(json.dumps(properties).encode())
        found.append(changed(event, event=name, timestamp=ms, properties=raw))
    return found


WORLD = replace(world(5), events=of_late(5), now=NOW)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker, now: datetime) -> FastAPI:
    """With the world's zone, currency, rates and people."""
    return create_app(settings_of(WORLD, settings), store, broker, clock=lambda: now)


async def _get(client: httpx.AsyncClient, bearer: Bearer) -> Any:
    response = await client.get(PATH, headers=bearer("read"))
    assert response.status_code == 200, response.text
    return response.json()["data"]


def near(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value


async def test_the_last_minutes(client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put) -> None:
    await put(WORLD.events)
    await store_persons(store, WORLD)
    found = await _get(client, bearer)
    starts = minute_starts(NOW)
    assert [datetime.fromisoformat(minute["at"]) for minute in found["minutes"]] == starts
    for minute, start, end in zip(found["minutes"], starts, [*starts[1:], NOW], strict=True):
        expected = {**tally(WORLD, start, end), "online_members": online(WORLD, start)}
        assert {name: minute[name] for name in expected} == {
            name: near(value) for name, value in expected.items()
        }
    whole = tally(WORLD, starts[0], NOW)
    assert {name: found[name] for name in whole} == {name: near(value) for name, value in whole.items()}
    assert found["online_members"] == online(WORLD, starts[-1]) > 0
    names = top_events(WORLD, starts[0], NOW)
    told = [(each["event"], each["count"]) for each in found["top_events"]]
    assert told == sorted(names.items(), key=lambda one: (-one[1], one[0]))[:10]
    places = {each["country"]: (each["active_users"], each["events"]) for each in found["countries"]}
    assert places == countries(WORLD, starts[0], NOW)
    assert set(places) == {"", "DE", "IN"}
    assert (found["alerts"], found["currency"], found["basis"]) == ([], "USD", "persons")
    assert datetime.fromisoformat(found["period_end"]) == NOW
    assert found["other_revenue"] == pytest.approx(unconverted(WORLD, starts[0], NOW)) != {}


async def test_nothing_happens(client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich) -> None:
    await put(
        [
            enrich("$pageview", "user-1", minute_starts(NOW)[0] - timedelta(milliseconds=1)),
            enrich("$pageview", "user-1", NOW + timedelta(seconds=1)),
            enrich("$pageview", "user-1", NOW - timedelta(minutes=1), project="other"),
            enrich("$pageview", "user-1", NOW - timedelta(minutes=1), {"$is_bot": True}),
            enrich("api_request", "user-1", NOW - timedelta(minutes=1), {"status": 500}),
        ]
    )
    found = await _get(client, bearer)
    nothing = {"events": 0, "active_users": 0, "revenue": 0.0, "online_members": 0, "errors": 0}
    assert [{**minute, "at": 0} for minute in found["minutes"]] == [{"at": 0, **nothing}] * 30
    assert {name: found[name] for name in nothing} == nothing
    assert (found["top_events"], found["countries"], found["other_revenue"]) == ([], [], {})


@pytest.mark.parametrize("now", [WHOLE_MINUTE])
async def test_at_a_whole_minute(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, now: datetime
) -> None:
    await put(
        [
            enrich("$pageview", "user-1", now - timedelta(minutes=30)),
            enrich("community_viewed", "user-2", now - timedelta(milliseconds=1), {"community_id": 3}),
            enrich("$pageview", "user-3", now),
        ]
    )
    found = await _get(client, bearer)
    assert [datetime.fromisoformat(minute["at"]) for minute in found["minutes"]] == minute_starts(now)
    assert [minute["events"] for minute in found["minutes"]] == [1, *[0] * 28, 1]
    assert (found["minutes"][-1]["online_members"], found["online_members"]) == (1, 1)


async def test_who_may_ask(
    client: httpx.AsyncClient, bearer: Bearer, refused: Callable[[httpx.Response, int, str], Any]
) -> None:
    refused(await client.get(PATH), 401, "UNAUTHENTICATED")
    refused(await client.get(PATH, headers=bearer("ingest")), 403, "INSUFFICIENT_SCOPE")
    refused(await client.get(f"{PATH}?minutes=5", headers=bearer("read")), 422, "VALIDATION_ERROR")
