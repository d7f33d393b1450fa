"""The live feed as Server-Sent Events over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.live.clients import Live
from loopin_api.live.feed import Feed
from loopin_api.server import serving
from loopin_api.settings import ApiSettings
from loopin_sinks.store import Store
from tests.api.live.records import EPOCH, START, alert, insight, until, window
from tests.api.live.sse import PATH, listening

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker

NO_ONLINE = "?types=metric,alert,insight"

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]


async def test_what_happens_is_told(url: str, feed: Feed, bearer: Bearer) -> None:
    async with listening(url, bearer("read"), query=NO_ONLINE) as events:
        headers = events.response.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")
        assert "content-length" not in headers
        assert (events.retry_ms, events.last_id) == (2000, f"{EPOCH}:0.0:0:0")
        feed.absorb_metrics(0, [window(0, 1)], 1)
        found = await events.next()
        assert (found.kind, found.id) == ("metric", f"{EPOCH}:1.0:0:0")
        assert (found.data["metric"], found.data["count"]) == ("events", 1)
        feed.absorb_alerts(0, [alert(0, message="Größer\nals\r 5 %")], 2)
        found = await events.next()
        assert (found.kind, found.id) == ("alert", f"{EPOCH}:1.0:1:0")
        assert found.data["message"] == "Größer\nals\r 5 %"
        feed.absorb_insights(0, [insight(0, title="DAU war größer")], 1)
        found = await events.next()
        assert (found.kind, found.id) == ("insight", f"{EPOCH}:1.0:2:1")
        assert (found.data["id"], found.data["title"]) == ("insight-0", "DAU war größer")


@pytest.mark.parametrize("way", ["header", "parameter"])
async def test_a_client_goes_on_where_it_was(url: str, feed: Feed, bearer: Bearer, way: str) -> None:
    async with listening(url, bearer("read"), query=NO_ONLINE) as events:
        feed.absorb_alerts(0, [alert(0)], 1)
        last_id = (await events.next()).id
    feed.absorb_alerts(0, [alert(1), alert(2)], 3)
    feed.absorb_insights(0, [insight(0)], 1)
    feed.absorb_metrics(0, [window(0, 1), window(1, 2)], 2)
    query = NO_ONLINE if way == "header" else f"{NO_ONLINE}&last_event_id={last_id}"
    async with listening(url, bearer("read"), last_id if way == "header" else None, query) as events:
        found = [await events.next() for _ in range(4)]
    told = [event.data.get("id", event.data.get("count")) for event in found]
    assert told == ["alert-1", "alert-2", "insight-0", 2]


async def test_an_id_that_is_none_is_told_so(url: str, bearer: Bearer) -> None:
    async with listening(url, bearer("read"), "gone", NO_ONLINE) as events:
        found = await events.next()
        assert (found.kind, found.data["reason"], found.id) == ("reset", "unknown_id", f"{EPOCH}:0.0:0:0")


async def test_only_what_was_asked_for(url: str, feed: Feed, bearer: Bearer) -> None:
    query = "?types=metric&metrics=revenue&grain=day"
    async with listening(url, bearer("read"), query=query) as events:
        feed.absorb_alerts(0, [alert(0)], 1)
        feed.absorb_insights(0, [insight(0)], 1)
        records = [window(0, 1), window(1, 2, metric="revenue"), window(2, 3, metric="revenue", grain="day")]
        feed.absorb_metrics(0, records, 3)
        assert (await events.next()).data["revision"] == 3


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?types=metrics", "types"),
        ("?metrics=events,signups", "metrics"),
        ("?grain=week", "grain"),
        ("?dimension=browser", "dimension"),
        ("?metric=events", "metric"),
    ],
)
async def test_a_filter_that_is_misspelt_is_refused(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, query: str, field: str
) -> None:
    body = refused(await client.get(PATH + query, headers=bearer("read")), 422, "VALIDATION_ERROR")
    assert [detail["field"] for detail in body["details"]] == [field]


async def test_who_may_listen(client: httpx.AsyncClient, bearer: Bearer, refused: Refused) -> None:
    refused(await client.get(PATH), 401, "UNAUTHENTICATED")
    refused(await client.get(PATH, headers=bearer("ingest")), 403, "INSUFFICIENT_SCOPE")


async def test_only_the_projects_own_pages_may_listen(
    settings: ApiSettings, store: Store, broker: Broker, bearer: Bearer, refused: Refused
) -> None:
    settings.cors_origins = {"shop": ("https://shop.example",)}
    transport = httpx.ASGITransport(create_app(settings, store, broker))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        await _only_its_own(client, bearer, refused)


async def _only_its_own(client: httpx.AsyncClient, bearer: Bearer, refused: Refused) -> None:
    response = await client.get(PATH, headers={**bearer("read"), "Origin": "https://elsewhere.example"})
    refused(response, 403, "ORIGIN_NOT_ALLOWED")
    preflight = {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"}
    names = {"Access-Control-Request-Headers": "authorization,last-event-id"}
    answer = await client.options(PATH, headers={**preflight, **names})
    assert answer.headers["access-control-allow-headers"] == "authorization,last-event-id"


async def test_a_feed_that_is_not_followed_yet_says_so(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused
) -> None:
    response = await client.get(PATH, headers=bearer("read"))
    refused(response, 503, "FEED_NOT_READY")
    assert response.headers["retry-after"]


async def test_there_may_be_only_so_many_clients(
    url: str, app: FastAPI, live: Live, bearer: Bearer, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_most", 1)
    async with listening(url, bearer("read"), query=NO_ONLINE):
        async with httpx.AsyncClient(timeout=120) as other:
            response = await other.get(url + PATH, headers=bearer("read"))
        refused(response, 503, "TOO_MANY_CLIENTS")
        assert response.headers["retry-after"]
        text = app.state.services.instruments.exposition().decode()
        assert 'loopin_api_live_clients{way="sse"} 1.0' in text
    await until(lambda: not live._clients)  # who left makes room
    async with listening(url, bearer("read"), query=NO_ONLINE):
        pass


async def test_an_idle_client_hears_where_it_is(
    url: str, feed: Feed, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopin_api.live.clients.HEARTBEAT_S", 0.05)
    async with listening(url, bearer("read"), query=NO_ONLINE) as events:
        feed.absorb_metrics(0, [window(0, 1, project="other")], 9)
        while events.last_id != f"{EPOCH}:9.0:0:0":
            assert (await events.next()).kind == "comment"


async def test_a_token_that_is_good_no_more_listens_no_more(
    url: str, app: FastAPI, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopin_api.live.clients.HEARTBEAT_S", 0.05)
    async with listening(url, bearer("read"), query=NO_ONLINE) as events:
        assert (await events.next()).kind == "comment"
        monkeypatch.setattr(app.state.services.authenticator, "_jwt_secret", "another" * 10)
        kinds = [event.kind async for event in events]
    assert set(kinds) <= {"comment"}


async def test_a_client_that_reads_nothing_loses_no_alert(url: str, feed: Feed, bearer: Bearer) -> None:
    """Far more windows come than the sockets hold; of these it gets the newest, and all alerts."""
    async with listening(url, bearer("read"), query=NO_ONLINE) as events:
        text = "x" * 20_000
        for number in range(1000):
            feed.absorb_metrics(0, [window(number, number + 1)], number + 1)
            feed.absorb_alerts(0, [alert(number, message=text)], number + 1)
            await asyncio.sleep(0)
        alerts: list[str] = []
        revisions: list[int] = []
        while len(alerts) < 1000 or revisions[-1:] != [1000]:
            found = await events.next()
            if found.kind == "alert":
                alerts.append(found.data["id"])
            elif found.kind == "metric":
                revisions.append(found.data["revision"])
    assert alerts == [f"alert-{number}" for number in range(1000)]
    assert revisions == sorted(set(revisions))
    assert len(revisions) < 100


async def test_streams_end_with_the_server(app: FastAPI, feed: Feed, live: Live, bearer: Bearer) -> None:
    """They end whole, so without being cut when the time for it is over."""
    async with httpx.AsyncClient(timeout=120) as client:
        async with serving(app, "127.0.0.1", 0) as url:
            request = client.build_request("GET", f"{url}{PATH}{NO_ONLINE}", headers=bearer("read"))
            response = await client.send(request, stream=True)
        assert (await response.aread()).startswith(b"retry: 2000\nid: ")
    assert not live._clients


async def test_head_is_answered_and_ends(url: str, bearer: Bearer, live: Live) -> None:
    async with httpx.AsyncClient(timeout=120) as client:
        response = await client.head(url + PATH, headers=bearer("read"))
    assert (response.status_code, response.content) == (200, b"")
    await until(lambda: not live._clients)


async def test_windows_of_the_last_minutes_come_in_the_order_they_changed(
    url: str, feed: Feed, bearer: Bearer
) -> None:
    async with listening(url, bearer("read"), query=NO_ONLINE) as events:
        last_id = events.last_id
    minutes = [window(number, 1, start=START + 60_000 * (number % 500)) for number in range(1000)]
    feed.absorb_metrics(1, minutes, 1000)
    async with listening(url, bearer("read"), last_id, NO_ONLINE) as events:
        found = [await events.next() for _ in range(500)]
    assert [event.id for event in found] == [f"{EPOCH}:0.{number + 1}:0:0" for number in range(500, 1000)]
