"""Content over HTTP is what the plain computation gives."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_schemas import EnrichedEvent
from loopin_sinks.store import Store
from tests.metrics import plain
from tests.metrics.plain import World
from tests.metrics.plain_content import OF_CONTENT, Piece, content, pieces
from tests.metrics.stored import store_persons
from tests.metrics.worlds import NOW, world

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

CONTENT = "/api/analytics/content"
REFUSED = Callable[[httpx.Response, int, str], dict[str, Any]]


def readers(seed: int, visits: int = 400) -> list[EnrichedEvent]:
    """Visits to a dozen pieces of content over 40 days, mostly of late, some of them of bots."""
    dice = Random(seed)
    found = []
    for _ in range(visits):
        user = f"user-{dice.randrange(40)}"
        at = NOW - timedelta(days=dice.choice([dice.uniform(0, 40), dice.uniform(0, 3)]))
        session = dice.choice([None, f"visit-{dice.randrange(200)}"])
        bot = {"$is_bot": True} if dice.random() < 0.05 else {}
        for _ in range(dice.choice([1, 1, 2, 5])):
            name = dice.choice([*sorted(OF_CONTENT), "content_viewed", "$pageview", "click"])
            at += timedelta(seconds=dice.randrange(1, 600))
            properties = {**bot, **(_about(dice, name) if name in OF_CONTENT else {})}
            found.append(
                EnrichedEvent(
                    project="shop",
                    uuid=str(uuid.UUID(int=dice.getrandbits(128), version=4)),
                    event=name,
                    distinct_id=user,
                    timestamp=round(at.timestamp() * 1000),
                    received_at=round(at.timestamp() * 1000),
                    session_id=session,
                    properties=msgspec.Raw(json.dumps(properties).encode()),
                    raw_partition=0,
                    raw_offset=0,
                )
            )
    return found


def _about(dice: Random, name: str) -> dict[str, Any]:
    given: dict[str, Any] = {
        "content_type": dice.choice(["article", "post"]),
        "object_id": dice.choice([17, "17", "a-1", "a-2", 40, "007", None]),
        "country": dice.choice(["IN", "DE", None]),
    }
    if name == "content_left":
        given["duration_s"] = dice.choice([dice.uniform(0, 300), 0, -5, "long", None])
    if name == "content_viewed":
        given["campaign_source"] = dice.choice(["newsletter", None, None])
        given["$referrer"] = dice.choice(
            ["https://www.Example.org/a", "https://shop.example/", "$direct", None]
        )
        given["$current_url"] = "https://www.shop.example/articles"
    return {key: value for key, value in given.items() if value is not None}


WORLD = replace(world(3), events=[*world(3).events, *readers(3)])


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker) -> FastAPI:
    """With the world's zone and people."""
    told = settings.model_copy(
        update={"project_timezone": "America/New_York", "internal_users": tuple(WORLD.internal)}
    )
    return create_app(told, store, broker, clock=lambda: NOW)


async def _fill(store: Store, put: Put) -> None:
    await put(WORLD.events)
    await store_persons(store, WORLD)


def near(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: near(each) for name, each in value.items()}
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value


def check(told: dict[str, Any], of: World, piece: Piece, start: datetime, end: datetime) -> None:
    for name, value in content(of, piece, start, end).items():
        assert told[name] == near(value), (piece, name, start)


def midnight(days: int) -> datetime:
    return WORLD.midnight(WORLD.day(NOW) - timedelta(days=days))


async def _get(client: httpx.AsyncClient, bearer: Bearer, path: str) -> Any:
    response = await client.get(path, headers=bearer("read"))
    assert response.status_code == 200, response.text
    return response.json()["data"]


def piece_in(told: dict[str, Any]) -> Piece:
    return Piece(told["content_type"], str(told["object_id"]))


async def test_all_pieces(client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put) -> None:
    await _fill(store, put)
    found = await _get(client, bearer, f"{CONTENT}?days=20")
    start = midnight(19)
    assert {piece_in(row) for row in found["results"]} == pieces(WORLD, start, NOW)
    assert found["count"] == len(found["results"]) == 10
    for row in found["results"]:
        check(row, WORLD, piece_in(row), start, NOW)
        assert row["date_range"] == {"start": "2026-03-12", "end": "2026-04-01"}
    assert {row["object_id"] for row in found["results"]} == {17, 40, "a-1", "a-2", "007"}
    views = sum(row["view_count"] for row in found["results"])
    named = [act.event for act in WORLD.acts if plain.first_text(act, "object_id")]
    assert views == plain.calculate("content_views", replace(WORLD, events=named), start, NOW)
    assert (found["tz"], found["basis"], found["next"]) == ("America/New_York", "persons", None)


async def test_filters(client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put) -> None:
    await _fill(store, put)
    articles = await _get(client, bearer, f"{CONTENT}?days=20&content_type=article")
    assert {row["content_type"] for row in articles["results"]} == {"article"}
    for row in articles["results"]:
        check(row, WORLD, piece_in(row), midnight(19), NOW)
    indian = plain.having(WORLD, "country", "IN")
    for row in (await _get(client, bearer, f"{CONTENT}?days=20&country=IN"))["results"]:
        told = content(indian, piece_in(row), midnight(19), NOW)
        assert (row["view_count"], row["unique_views"]) == (told["view_count"], told["unique_views"])


async def test_orders(client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put) -> None:
    await _fill(store, put)
    for sort, order in product(content(WORLD, Piece("", ""), NOW, NOW), ("desc", "asc")):
        if sort == "traffic_sources":
            continue
        found = await _get(client, bearer, f"{CONTENT}?days=3&sort={sort}&order={order}")
        values = [row[sort] for row in found["results"]]
        known = [value for value in values if value is not None]
        assert known == sorted(known, reverse=order == "desc")
        assert None not in values[: len(known)]
        assert len(set(known)) > 1


async def test_pages(client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put) -> None:
    await _fill(store, put)
    whole = await _get(client, bearer, f"{CONTENT}?days=20&sort=likes_count")
    path, gathered = f"{CONTENT}?days=20&sort=likes_count&page_size=4", []
    previous = None
    while path:
        page = await _get(client, bearer, path)
        assert page["count"] == 10
        gathered += page["results"]
        assert (page["previous"] is None) == (previous is None)
        previous, path = path, page["next"]
    # Sums of floats depend on how many pieces are added up at once.
    assert [near(row) for row in gathered] == whole["results"]


async def test_what_trends_is_what_is_new(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    old = {"content_type": "post", "object_id": "old"}
    new = {"content_type": "post", "object_id": "new"}
    again = {"content_type": "post", "object_id": "again"}
    await put(
        [
            *(enrich("content_viewed", f"reader-{n}", NOW - timedelta(days=4), old) for n in range(30)),
            *(enrich("content_viewed", f"reader-{n}", NOW - timedelta(hours=1), new) for n in range(4)),
            *(enrich("content_viewed", "user-1", NOW - timedelta(minutes=n + 1), again) for n in range(20)),
            enrich("content_viewed", "user-2", NOW - timedelta(days=20), {**old, "object_id": "forgotten"}),
        ]
    )
    most_viewed = await _get(client, bearer, CONTENT)
    ids = [row["object_id"] for row in most_viewed["results"]]
    assert ids == ["old", "again", "new", "forgotten"]
    trending = await _get(client, bearer, f"{CONTENT}?trending=1")
    assert [row["object_id"] for row in trending["results"]] == ["new", "old", "again"]
    assert trending["results"][1]["trending_score"] == near(30 / 16 / (30 / 16 + 50))
    assert trending["sort"] == "trending_score"


async def test_many_sources(client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich) -> None:
    piece = {"content_type": "post", "object_id": 1}
    sites = [n for n in range(25) for _ in range(2 if n < 20 else 1)]
    await put(
        [
            enrich(
                "content_viewed",
                "user-1",
                NOW - timedelta(hours=1),
                {**piece, "referrer": f"https://s{n}.example/"},
            )
            for n in sites
        ]
    )
    (row,) = (await _get(client, bearer, CONTENT))["results"]
    assert row["traffic_sources"] == {**{f"s{n}.example": 2 for n in range(20)}, "other": 5}


async def test_a_piece_by_day(client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put) -> None:
    await _fill(store, put)
    piece = Piece("article", "17")
    found = await _get(client, bearer, f"{CONTENT}/article/17?days=30")
    check(found, WORLD, piece, midnight(29), NOW)
    assert (found["content_type"], found["object_id"]) == piece._replace(object_id=17)  # type: ignore[arg-type]
    assert (found["grain"], len(found["series"])) == ("day", 30)
    for number, point in enumerate(found["series"]):
        start, end = midnight(29 - number), min(midnight(28 - number), NOW)
        assert datetime.fromisoformat(point["at"]) == start
        assert point["date"] == str(WORLD.day(start))
        check(point, WORLD, piece, start, end)
    assert (found["series"][-1]["week_start"], found["series"][-1]["month_start"]) == (
        "2026-03-30",
        "2026-03-01",
    )
    for total in ("view_count", "social_shares", "search_appearances"):
        assert sum(point[total] for point in found["series"]) == found[total]


async def test_a_long_time_is_told_by_weeks(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    piece = {"content_type": "post", "object_id": "a-1"}
    await put([enrich("content_viewed", "user-1", NOW - timedelta(days=n), piece) for n in (1, 2, 9)])
    found = await _get(client, bearer, f"{CONTENT}/post/a-1?days=1500")
    assert found["grain"] == "week"
    assert [point["view_count"] for point in found["series"]][-3:] == [1, 1, 1]
    assert found["view_count"] == 3


async def test_a_piece_without_events_of_late(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, refused: REFUSED
) -> None:
    piece = {"content_type": "post", "object_id": "a/1"}
    await put(
        [
            enrich("content_viewed", "user-1", NOW - timedelta(days=50), piece),
            enrich("content_viewed", "user-1", NOW, {**piece, "object_id": "b-1"}, project="other"),
        ]
    )
    found = await _get(client, bearer, f"{CONTENT}/post/a%2F1?days=2")
    assert (found["view_count"], found["bounce_rate"], found["quality_score"]) == (0, None, None)
    assert (found["traffic_sources"], len(found["series"])) == ({}, 2)
    for unknown in ("post/c-1", "article/a-1", "post/b-1"):
        response = await client.get(f"{CONTENT}/{unknown}", headers=bearer("read"))
        refused(response, 404, "UNKNOWN_CONTENT")


async def test_a_hostile_name_is_only_a_name(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, refused: REFUSED
) -> None:
    name = "x' OR 1=1 -- {p1:String} \\"
    seen = {"content_type": name, "object_id": name}
    await put([enrich("content_viewed", "user-1", NOW - timedelta(hours=1), seen)])
    found = await _get(client, bearer, str(httpx.URL(CONTENT, params={"content_type": name})))
    assert [row["object_id"] for row in found["results"]] == [name]
    assert (await _get(client, bearer, str(httpx.URL(CONTENT, params={"content_type": "'"}))))["count"] == 0


async def test_nothing_there(client: httpx.AsyncClient, bearer: Bearer, refused: REFUSED) -> None:
    found = await _get(client, bearer, CONTENT)
    assert (found["count"], found["results"], found["freshness_s"]) == (0, [], None)
    refused(await client.get(f"{CONTENT}?page=2", headers=bearer("read")), 404, "UNKNOWN_PAGE")


@pytest.mark.parametrize(
    "query", ["sort=shoe_size", "order=up", "page=0", "page_size=101", "event=click", "trend=1", "from=now"]
)
async def test_what_cannot_be_asked(
    client: httpx.AsyncClient, bearer: Bearer, refused: REFUSED, query: str
) -> None:
    refused(await client.get(f"{CONTENT}?{query}", headers=bearer("read")), 422, "VALIDATION_ERROR")
    refused(await client.get(f"{CONTENT}?{query}", headers=bearer("ingest")), 403, "INSUFFICIENT_SCOPE")
