"""What is kept while the broker is away, over a reserve that does as it is told."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from loopin_api.app import create_app
from loopin_api.ingest import held
from loopin_api.ingest.held import FEW
from loopin_api.settings import ApiSettings
from loopin_sinks.store import Store

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker

BATCH = "/api/analytics/events/batch"
KEY = {"Authorization": "Bearer lk_write"}
HOUR_MS = 3_600_000


class Shelf:
    """Takes up to ``room`` records."""

    def __init__(self) -> None:
        self.room = 1_000
        self.records: list[tuple[str, bytes, bytes]] = []
        self.is_down = False

    def keep(self, records: Sequence[tuple[str, bytes, bytes]]) -> int:
        fit = list(records)[: self.room - len(self.records)]
        self.records += fit
        return len(fit)

    @property
    def waiting(self) -> int:
        return len(self.records)

    @property
    def empty(self) -> bool:
        return not self.records

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(value) for _, _, value in self.records]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def client(
    settings: ApiSettings, untouched_store: Store, broker: Broker, shelf: Shelf
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings, untouched_store, broker, reserve=shelf)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        yield client


async def send(client: httpx.AsyncClient, *users: str, **fields: Any) -> list[tuple[str, str | None]]:
    """Send an event of each user; the receipts' results and codes."""
    events = [{"event": "click", "distinct_id": user, **fields} for user in users]
    answer = await client.post(BATCH, json={"events": events}, headers=KEY)
    assert answer.status_code == 200, answer.text
    return [(one["result"], one["code"]) for one in answer.json()["data"]["receipts"]]


async def test_while_the_broker_takes_events_nothing_is_kept(
    client: httpx.AsyncClient, broker: Broker, shelf: Shelf
) -> None:
    assert await send(client, "a", "b") == [("ok", None)] * 2
    assert (len(broker.records), shelf.records) == (2, [])


async def test_while_no_broker_can_be_reached_events_are_kept_at_once(
    client: httpx.AsyncClient, broker: Broker, shelf: Shelf
) -> None:
    shelf.is_down = True
    assert await send(client, "a") == [("warning", "spooled")]
    assert (broker.records, len(shelf.records)) == ([], 1)


async def test_what_the_broker_refuses_is_kept_and_the_next_goes_there_at_once(
    client: httpx.AsyncClient, broker: Broker, shelf: Shelf
) -> None:
    broker.answer = "refuse"
    assert await send(client, "a", "b") == [("warning", "spooled")] * 2
    broker.records.clear()
    shelf.is_down = True
    assert await send(client, "c") == [("warning", "spooled")]
    assert broker.records == []
    assert [key for _, key, _ in shelf.records] == [b"shop:a", b"shop:b", b"shop:c"]
    assert [uuid for uuid, _, _ in shelf.records] == [event["uuid"] for event in shelf.events]


async def test_nothing_overtakes_what_is_kept(
    client: httpx.AsyncClient, broker: Broker, shelf: Shelf
) -> None:
    shelf.keep([("u", b"k", b"{}")])
    shelf.is_down = True
    assert await send(client, "a") == [("warning", "spooled")]
    assert broker.records == []


async def test_it_waits_for_the_last_that_is_kept(
    client: httpx.AsyncClient, broker: Broker, shelf: Shelf
) -> None:
    shelf.keep([("u", b"k", b"{}")])
    sending = asyncio.ensure_future(send(client, "a"))
    await asyncio.sleep(0)
    shelf.records.clear()
    assert await sending == [("ok", None)]
    assert len(broker.records) == 1


async def test_it_waits_no_longer_once_no_broker_can_be_reached(
    client: httpx.AsyncClient, broker: Broker, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def empty(_: Shelf) -> bool:
        nonlocal looks
        looks += 1
        assert looks == 1, "it waits on"
        shelf.is_down = True  # between the first look and the next
        return False

    monkeypatch.setattr(Shelf, "empty", property(empty))
    monkeypatch.setattr(held, "MOMENT_S", math.inf)
    assert await send(client, "a") == [("warning", "spooled")]
    assert broker.records == []


async def test_it_does_not_wait_for_many(client: httpx.AsyncClient, broker: Broker, shelf: Shelf) -> None:
    shelf.room = FEW + 2
    shelf.keep([("u", b"k", b"{}")] * (FEW + 1))
    assert await send(client, "a") == [("warning", "spooled")]
    assert broker.records == []


async def test_what_has_no_room_is_to_be_sent_again(
    client: httpx.AsyncClient, broker: Broker, shelf: Shelf
) -> None:
    broker.answer = "refuse"
    shelf.room = 1
    assert await send(client, "a", "b") == [("warning", "spooled"), ("retry", "not_acknowledged")]
    shelf.room = 0
    answer = await client.post(BATCH, json={"events": [{"event": "e", "distinct_id": "u"}]}, headers=KEY)
    assert (answer.status_code, answer.json()["error_code"]) == (503, "NOT_ACKNOWLEDGED")
    assert int(answer.headers["retry-after"]) > 0


async def test_the_wait_is_no_error_of_the_client_s_clock(
    client: httpx.AsyncClient, broker: Broker, shelf: Shelf
) -> None:
    broker.answer = "refuse"
    now = time.time_ns() // 1_000_000
    event = {"event": "click", "distinct_id": "u", "properties": {"n": 1}}
    events = [{**event, "timestamp": now - 3 * HOUR_MS}, event]
    body = {"events": events, "sent_at": now - 2 * HOUR_MS}
    answer = await client.post(BATCH, json=body, headers=KEY)
    assert answer.status_code == 200
    corrected, undated = shelf.events
    assert corrected["timestamp"] == pytest.approx(now - HOUR_MS, abs=60_000)
    assert undated["timestamp"] == pytest.approx(now, abs=60_000)
    for kept in (corrected, undated):
        assert "sent_at" not in kept
        assert kept["queued_at"] >= now
        assert kept["properties"] == {"n": 1}


async def test_one_event_is_answered_as_ever(client: httpx.AsyncClient, broker: Broker, shelf: Shelf) -> None:
    broker.answer = "refuse"
    body = {"event_name": "click", "user_id": "u"}
    answer = await client.post("/api/analytics/events/track", json=body, headers=KEY)
    assert answer.status_code in (200, 201), answer.text
    assert [event["event"] for event in shelf.events] == ["click"]


async def test_health_and_metrics_tell(
    client: httpx.AsyncClient, broker: Broker, shelf: Shelf, bearer: Bearer
) -> None:
    broker.answer = "refuse"
    await send(client, "a")
    shelf.is_down = True
    spool = (await client.get("/api/analytics/health")).json()["data"]["components"]["spool"]
    assert spool["ok"] is False
    assert spool["reason"] == "1 events are kept on disk until the broker has them."
    exposed = (await client.get("/metrics", headers=bearer("read"))).text
    assert "loopin_api_events_spooled_total 1.0" in exposed
    assert "loopin_api_events_unacknowledged_total 0.0" in exposed
