"""GET /api/analytics/recommendations/..., and /content-hints."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_sinks.recommendations.event_signals import SIGNALS
from loopin_sinks.recommendations.ranker import Ranker
from loopin_sinks.recommendations.stored import StoredModel, keep_model
from loopin_sinks.store import Store

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]

PATH = "/api/analytics/recommendations"
NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker) -> FastAPI:
    return create_app(settings, store, broker, clock=lambda: NOW)


@pytest.fixture
async def stocked(put: Put, enrich: Enrich) -> None:
    """Two events and two communities of the project, and a user who has joined one event."""
    starts = (NOW + 5 * DAY).isoformat()
    common = {"host_id": 4, "category": "music", "price": 0, "starts_at": starts}
    joined = [enrich("event_joined", f"user-{n}", NOW - DAY, {"event_id": 12}) for n in range(4)]
    clubs = [
        enrich("community_joined", f"user-{n}", NOW - DAY, {"community_id": "north" if n else "south"})
        for n in range(5)
    ]
    await put(
        [
            enrich("event_created", "4", NOW - 2 * DAY, {**common, "event_id": 11, "city": "Pune"}),
            enrich("event_created", "4", NOW - 2 * DAY, {**common, "event_id": 12, "city": "Delhi"}),
            enrich("event_created", "4", NOW - DAY, {**common, "event_id": 13, "city": "Pune"}, project="b"),
            enrich("$pageview", "77", NOW - DAY, {"city": "Pune"}),
            *joined,
            *clubs,
        ]
    )


async def ask(client: httpx.AsyncClient, bearer: Bearer, path: str, **query: Any) -> dict[str, Any]:
    response = await client.get(path, params=query, headers=bearer("read"))
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


@pytest.mark.usefixtures("stocked")
async def test_events_for_a_user_best_first(client: httpx.AsyncClient, bearer: Bearer) -> None:
    found = await ask(client, bearer, f"{PATH}/77")
    assert [(item["type"], item["id"]) for item in found["items"]] == [("event", 11), ("event", 12)]
    assert found["items"][0]["why"][0] == "It is in Pune, where you are."
    assert found["ranking"] == {
        "model_version": found["ranking"]["model_version"],
        "method": "by_hand",
        "precision_at_10": None,
        "popularity_precision_at_10": None,
        "measured_at": None,
    }
    popular = await ask(client, bearer, f"{PATH}/nobody", type="events", limit=1)
    assert [item["id"] for item in popular["items"]] == [12]
    # Ids may be of any letters.
    slashed = await ask(client, bearer, f"{PATH}/a%2Fb", type="events", limit=1)
    assert slashed["items"] == popular["items"]
    # What was joined is not shown again.
    assert [item["id"] for item in (await ask(client, bearer, f"{PATH}/user-1"))["items"]] == [11]


@pytest.mark.usefixtures("stocked")
async def test_communities_for_a_user(client: httpx.AsyncClient, bearer: Bearer) -> None:
    found = await ask(client, bearer, f"{PATH}/77", type="communities")
    assert [(item["type"], item["id"]) for item in found["items"]] == [
        ("community", "north"),
        ("community", "south"),
    ]
    assert found["items"][0]["why"] == ["4 have joined."]
    mine = await ask(client, bearer, f"{PATH}/user-1", type="communities")
    assert [item["id"] for item in mine["items"]] == ["south"]


@pytest.mark.usefixtures("stocked")
async def test_the_newest_model_ranks_and_says_how_good_it_was(
    client: httpx.AsyncClient, bearer: Bearer, store: Store
) -> None:
    weights = tuple(2.0 if name == "popular" else 0.0 for name in SIGNALS)
    ranker = Ranker(SIGNALS, (0.0,) * len(SIGNALS), weights, -4.0, learned=True)
    at = NOW - timedelta(hours=7)
    await keep_model(store, "shop", "event", StoredModel(ranker, at, 0.066, 0.021, 140))
    await keep_model(store, "shop", "event", StoredModel(ranker, NOW + DAY, 0.5, 0.5, 9))
    found = await ask(client, bearer, f"{PATH}/77")
    assert [item["id"] for item in found["items"]] == [12, 11]
    # 4 have joined: 2 ln 5 - 4; none: -4.
    assert [item["score"] for item in found["items"]] == pytest.approx([0.3141, 0.018], abs=1e-4)
    assert found["ranking"] == {
        "model_version": ranker.version,
        "method": "learned",
        "precision_at_10": 0.066,
        "popularity_precision_at_10": 0.021,
        "measured_at": "2026-01-15T03:30:00.000Z",
    }


@pytest.mark.usefixtures("stocked")
async def test_what_is_like_an_event(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, put: Put, enrich: Enrich
) -> None:
    found = await ask(client, bearer, f"{PATH}/similar/events/11")
    assert found["items"] == [
        {
            "type": "event",
            "id": 12,
            "score": 0.7,
            "why": ["Both are music.", "By the same host.", "Both are free."],
        }
    ]
    # One that was created before the days that count has others like it, too.
    long_ago = {"host_id": 4, "event_id": 9, "starts_at": (NOW - 95 * DAY).isoformat()}
    await put([enrich("event_created", "4", NOW - 100 * DAY, long_ago)])
    like_it = (await ask(client, bearer, f"{PATH}/similar/events/9"))["items"]
    assert [(item["id"], item["why"]) for item in like_it] == [(n, ["By the same host."]) for n in (11, 12)]
    assert (await ask(client, bearer, f"{PATH}/similar/communities/north"))["items"] == []
    for unknown in ("13", "none"):
        answer = await client.get(f"{PATH}/similar/events/{unknown}", headers=bearer("read"))
        refused(answer, 404, "UNKNOWN_EVENT")
    answer = await client.get(f"{PATH}/similar/communities/none", headers=bearer("read"))
    refused(answer, 404, "UNKNOWN_COMMUNITY")
    for nothing in ("similar", "similar/", "similar/events", "similar/events/"):
        refused(await client.get(f"{PATH}/{nothing}", headers=bearer("read")), 404, "NOT_FOUND")
    answer = await client.get(f"{PATH}/similar/users/1", headers=bearer("read"))
    refused(answer, 422, "VALIDATION_ERROR")


async def test_hints_carry_their_numbers(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    """Thirty free events with three joins each and a few more, thirty that cost with one."""
    events = []
    for number in range(60):
        free = number < 30
        given = {
            "event_id": f"e{number}",
            "price": 0 if free else 100,
            "starts_at": (NOW - DAY).isoformat(),
            "category": "music",
        }
        events.append(enrich("event_created", "host", NOW - 9 * DAY, given))
        for joiner in range((3 if free else 1) + number % 2):
            joined = {"event_id": f"e{number}"}
            events.append(enrich("event_joined", f"u{joiner}", NOW - 5 * DAY, joined))
    await put(events)
    found = (await ask(client, bearer, "/api/analytics/content-hints"))["hints"]
    assert {(hint["by"], hint["value"]) for hint in found} == {("price", "free"), ("price", "middling")}
    free = next(hint for hint in found if hint["value"] == "free")
    numbers = {"mean": 3.5, "others": 1.5, "change_percentage": 133.3, "items": 30, "other_items": 30}
    assert free.items() >= numbers.items()
    assert free["text"] == (
        "Free platform events had 3.5 joins on average, all others 1.5 (30 and 30 of them)."
    )
    assert len((await ask(client, bearer, "/api/analytics/content-hints", limit=1))["hints"]) == 1


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"type": "users"}, {"kind": "events"}])
async def test_what_there_is_not_is_refused(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, query: dict[str, Any]
) -> None:
    answer = await client.get(f"{PATH}/77", params=query, headers=bearer("read"))
    assert refused(answer, 422, "VALIDATION_ERROR")["details"][0]["field"] == next(iter(query))


async def test_they_need_the_scope_read(client: httpx.AsyncClient, bearer: Bearer, refused: Refused) -> None:
    for path in (f"{PATH}/77", f"{PATH}/similar/events/1", "/api/analytics/content-hints"):
        refused(await client.get(path, headers=bearer("ingest")), 403, "INSUFFICIENT_SCOPE")
