"""What a request may take of the time that all share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from loopin_api.ingest import intake, turns
from loopin_api.ingest.incoming import sound
from loopin_api.ingest.turns import LONG_BYTES, TURN_S, Aside, Turns

if TYPE_CHECKING:
    from tests.api.conftest import Broker

BATCH = "/api/analytics/events/batch"
KEY = {"Authorization": "Bearer lk_write"}


class Loop:
    """Counts the turns that others had."""

    def __init__(self) -> None:
        self.turns = 0
        self._task = asyncio.create_task(self._count())

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.turns += 1

    def end(self) -> None:
        self._task.cancel()


async def test_others_go_on_once_a_turn_is_over() -> None:
    now = [0.0]
    loop, mine = Loop(), Turns(lambda: now[0])
    await mine.give_way()
    assert loop.turns == 0
    now[0] += TURN_S
    await mine.give_way()
    await mine.give_way()
    await asyncio.sleep(0)
    assert loop.turns == 1
    loop.end()


async def test_other_requests_go_on_between_the_events_of_one(
    app: FastAPI, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_S", 0.0)
    loop, seen = Loop(), []

    def protect(_event: str, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        seen.append(loop.turns)
        return properties

    _replace_protect(app, protect)
    events = [{"event": "click", "distinct_id": "user-1"}] * 20
    assert (await client.post(BATCH, json={"events": events}, headers=KEY)).status_code == 200
    assert len(set(seen)) == len(events)
    loop.end()


@pytest.mark.parametrize(
    ("path", "alone"), [(BATCH, False), ("/api/analytics/events/track", True)], ids=["batch", "track"]
)
async def test_long_events_are_searched_in_a_thread_and_short_ones_at_once(
    app: FastAPI, client: httpx.AsyncClient, broker: Broker, path: str, alone: bool
) -> None:
    threads = []

    def protect(_event: str, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        threads.append(threading.current_thread())
        return properties

    _replace_protect(app, protect)
    for length in (10, LONG_BYTES):
        text = {"text": "x" * length}
        body = {"event_name": "click", "user_id": "user-1", "metadata": text}
        batch = {"events": [{"event": "click", "distinct_id": "user-1", "properties": text}]}
        answer = await client.post(path, json=body if alone else batch, headers=KEY)
        assert answer.status_code == 200, answer.text
    short, long = threads
    assert short is threading.main_thread()
    assert long is not threading.main_thread()
    assert len(broker.events) == 2


async def test_a_long_body_is_mended_in_a_thread(
    client: httpx.AsyncClient, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def noted(body: bytes) -> bytes:
        threads.append(threading.current_thread())
        return sound(body)

    monkeypatch.setattr(intake, "sound", noted)
    event = b'{"event": "click", "distinct_id": "user-1", "properties": {"v": NaN}}'
    for path, name in ((BATCH, b"events"), ("/batch", b"batch"), ("/i/v1/analytics/events", b"batch")):
        body = b'{"%s": [%s]%s}' % (name, event, b" " * LONG_BYTES)
        answer = await client.post(path, content=body, headers=KEY)
        assert answer.status_code == 200, answer.text
    assert len(threads) == 3
    assert threading.main_thread() not in threads
    assert all(msgspec.json.decode(one.properties)["v"] is None for one in broker.events)


class Thread:
    """Stands in for the thread: work in it goes on while others have their turns."""

    def __init__(self) -> None:
        self.at_work = self.most = 0

    async def run(self, work: Callable[..., Any], *args: Any) -> Any:
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        for _ in range(10):
            await asyncio.sleep(0)
        self.at_work -= 1
        return work(*args)


@pytest.fixture
def thread(monkeypatch: pytest.MonkeyPatch) -> Thread:
    found = Thread()
    monkeypatch.setattr(asyncio, "to_thread", found.run)
    return found


async def test_long_work_is_done_one_at_a_time(thread: Thread) -> None:
    aside = Aside()
    done = await asyncio.gather(*(aside.run(str(n), LONG_BYTES + 1, str, n) for n in range(5)))
    assert done == ["0", "1", "2", "3", "4"]
    assert (thread.most, thread.at_work) == (1, 0)


async def test_each_key_has_its_turn_however_much_another_asks_for(thread: Thread) -> None:
    aside, order = Aside(), list[str]()
    keys = ["a"] * 3 + ["b"] * 2 + ["c"]
    await asyncio.gather(*(aside.run(key, LONG_BYTES + 1, order.append, key) for key in keys))
    assert order == ["a", "b", "c", "a", "b", "a"]


async def test_a_key_s_turn_goes_on_where_a_request_is_given_up(thread: Thread) -> None:
    aside, order = Aside(), list[str]()
    first, waiting, last = (
        asyncio.create_task(aside.run("a", LONG_BYTES + 1, order.append, name)) for name in "123"
    )
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(first, last)
    assert order == ["1", "3"]


def _replace_protect(app: FastAPI, protect: Any) -> None:
    services = app.state.services
    app.state.services = replace(services, intake=replace(services.intake, protect=protect))
