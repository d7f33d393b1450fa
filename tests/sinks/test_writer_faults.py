"""Ranges written over a transport that fails: every row once, whatever fails and when."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from loopin_sinks.migrate import migrate
from loopin_sinks.store import Store, StoreError, StoreSettings, open_store
from loopin_sinks.writer import Interrupted, RangeWriter
from tests.clickhouse import (
    PASSWORD,
    USER,
    AnyFault,
    ClickHouseProcess,
    ClickHouseServer,
    Cut,
    Down,
    Error,
    Reset,
    Slow,
)
from tests.seeds import seeds
from tests.sinks.asking import still_owner, until
from tests.sinks.faulty_store import FaultyStore, Inserted

TOPIC_ID = "0b5a1c70-6d3b-4b6e-9a51-3f1f0a2b7c11"
EVENTS = 400
DAY_MS = 86_400_000
NOW_MS = int(datetime.now(UTC).timestamp() * 1000)


class Entry(NamedTuple):
    """A record of the topic."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def entries(first: int, number: int = EVENTS) -> list[Entry]:
    """Records of one range, over about three months, in no order of time."""
    return [Entry(offset, NOW_MS, None, _event(offset)) for offset in range(first, first + number)]


def _event(offset: int) -> bytes:
    event = {
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, str(offset))),
        "project": "demo",
        "event": "click",
        "distinct_id": f"u{offset % 7}",
        "timestamp": NOW_MS - offset * 37 % 60 * DAY_MS,
        "received_at": NOW_MS,
        "properties": {"at": offset, "text": "it's {x:String} 😀"},
        "_raw_partition": 1,
        "_raw_offset": offset,
    }
    return json.dumps(event).encode()


def writer(store: Store, confirm: Callable[[int], Awaitable[None]] = still_owner) -> RangeWriter:
    return RangeWriter(
        store,
        topic="events.enriched",
        topic_id=TOPIC_ID,
        dlq="events.dlq",
        bootstrap="nobody:9092",
        retention=lambda project: 365,
        confirm=confirm,
        interrupted=asyncio.Event(),
    )


async def write(to: RangeWriter, records: list[Entry], *, doubtful: bool = False) -> None:
    """The range that these records are."""
    async with asyncio.timeout(60):
        await to.store(1, records[0].offset, records[-1].offset + 1, records, doubtful=doubtful)


async def assert_stored_once(store: Store, expected: list[Entry]) -> None:
    """Each record is exactly one row, counted without FINAL."""
    rows = await store.query(
        "SELECT _offset AS o, toString(uuid) AS u, properties AS p FROM events ORDER BY o"
    )
    stored = [(row["o"], row["u"], json.loads(row["p"])) for row in rows]
    events = [(entry.offset, json.loads(entry.value or b"")) for entry in expected]
    assert stored == [(offset, event["uuid"], event["properties"]) for offset, event in events]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopin_sinks.writer.RETRY_S", (0.02,))


@pytest.fixture
def tables(stocked: None, server: Store) -> Store:
    """The store on the test server, with its tables."""
    return server


@pytest.mark.parametrize(
    "fault",
    [
        Down(times=5),
        Down(only="insert", times=5),
        Slow(seconds=0.1, factor=5.0),
        Error(times=5),
        Error(only="insert", times=3),
        Error(only="read", times=3),
        Error(code=None, status=502, only="insert", times=3),
        Error(code=None, status=503, only="insert", times=3),
        *(Reset(after_bytes=size, times=times) for size in (0, 10_000, 10**9) for times in (1, 5)),
        *(Reset(executed=True, times=times) for times in (1, 2, 5)),
    ],
)
@pytest.mark.parametrize("before", [0, pytest.param(2, marks=pytest.mark.scenario)])
async def test_every_row_is_stored_once_and_counted_once(
    tables: Store, clickhouse: ClickHouseServer, fault: AnyFault, before: int
) -> None:
    """``before``: how many inserts of the range, one for each month, have gone well."""
    if before:
        clickhouse.faults.add(Slow(only="insert", times=before))
    clickhouse.faults.add(fault)
    sink = writer(tables)
    await write(sink, entries(0))
    clickhouse.faults.clear()
    assert (sink.stored_rows, sink.failing) == (EVENTS, None)
    await assert_stored_once(tables, entries(0))


async def test_no_attempt_at_an_insert_is_made_before_the_partition_is_known_to_be_its_own(
    tables: Store,
) -> None:
    asked: list[int] = []
    store = FaultyStore(tables)

    async def confirm(partition: int) -> None:
        assert partition == 1
        asked.append(len(store.inserts))
        if len(asked) > 5:
            raise Interrupted

    def fail(_: Inserted) -> None:
        raise StoreError("store_unreachable", "ClickHouse does not answer.")

    store.before = fail
    with pytest.raises(Interrupted):
        await write(writer(store, confirm), entries(0))
    assert asked == [0, 1, 2, 3, 4, 5], "once before each attempt"
    assert len(store.inserts) == 5
    asked.clear()
    store = FaultyStore(tables)
    await write(writer(store, confirm), entries(0))
    assert asked == list(range(len(store.inserts))), "and before each month's"
    assert len(asked) in (2, 3, 4), "two months at the end of one with 30 days"


async def test_records_that_took_the_places_of_lost_ones_are_not_taken_for_those(tables: Store) -> None:
    await write(writer(tables), entries(0))
    # Of the same times, because offsets and numbers alone tell those of different months apart.
    other = [entry._replace(value=_event(entry.offset + 60 * EVENTS)) for entry in entries(0)]
    await write(writer(tables), other)
    assert await tables.query("SELECT count() AS c FROM events") == [{"c": 2 * EVENTS}]


async def test_an_answer_to_what_is_held_that_is_cut_off_is_asked_for_again(
    tables: Store, clickhouse: ClickHouseServer
) -> None:
    await write(writer(tables), entries(0))
    clickhouse.faults.add(Cut(after_bytes=20, times=4))
    sink = writer(tables)
    await write(sink, entries(0, EVENTS + 100), doubtful=True)
    assert sink.stored_rows == 100
    assert not clickhouse.faults.left()
    await assert_stored_once(tables, entries(0, EVENTS + 100))


async def test_where_the_store_is_up_to_may_take_longer_than_people_wait_for_a_query(
    tables: Store,
) -> None:
    class Large(FaultyStore):
        async def query(
            self, sql: str, parameters: Mapping[str, object] | None = None
        ) -> list[dict[str, Any]]:
            raise StoreError("query_timeout", "The query took longer than LOOPIN_QUERY_TIMEOUT_S.")

    sink = writer(Large(tables))
    async with asyncio.timeout(60):
        assert await sink.stored_up_to(1) == 0
    await write(writer(tables), entries(7))
    async with asyncio.timeout(60):
        assert await sink.stored_up_to(1) == 7 + EVENTS
        assert await sink.stored_up_to(0) == 0


@pytest.mark.parametrize("seed", seeds(6))
async def test_any_sequence_of_faults_stores_every_row_once(
    tables: Store, clickhouse: ClickHouseServer, seed: int
) -> None:
    chance = random.Random(seed)
    sink = writer(tables)
    for number in range(5):
        for _ in range(chance.randint(1, 5)):
            clickhouse.faults.add(_any_fault(chance))
        await write(sink, entries(number * EVENTS))
    clickhouse.faults.clear()
    assert sink.stored_rows == 5 * EVENTS
    await assert_stored_once(tables, entries(0, 5 * EVENTS))


def _any_fault(chance: random.Random) -> AnyFault:
    times = chance.randint(1, 4)
    faults: list[AnyFault] = [
        Down(times=times),
        Slow(seconds=0.05, times=times),
        Error(times=times, only=chance.choice([None, "insert", "read"])),
        Error(code=None, status=502, times=times),
        Reset(after_bytes=chance.randint(0, 100_000), times=times),
        Reset(executed=True, times=times),
        Cut(after_bytes=chance.randint(0, 200), times=times),
    ]
    return chance.choice(faults)


@pytest.mark.parametrize("late", [1, 2, 3])
async def test_an_insert_that_lands_after_the_client_gave_it_up_adds_nothing(
    tables: Store,
    server_settings: StoreSettings,
    clickhouse: ClickHouseServer,
    monkeypatch: pytest.MonkeyPatch,
    late: int,
) -> None:
    impatient = open_store(server_settings.model_copy(update={"query_timeout_s": 0.3}))
    clickhouse.faults.add(Slow(seconds=600, only="insert", times=late))
    sink = writer(impatient)
    with monkeypatch.context() as patch:
        patch.setattr("loopin_sinks.store.server.CONNECT_TIMEOUT_S", 1.0)
        patch.setattr("loopin_sinks.store.server.INSERT_TIMEOUT_S", 0.2)
        await write(sink, entries(0))
    assert sink.stored_rows == EVENTS
    # Now the late ones land.
    clickhouse.faults.clear()
    await asyncio.to_thread(clickhouse.wait_idle)
    await impatient.close()
    inserts = [sent for sent in clickhouse.requests if "insert_deduplication_token" in sent]
    assert len(inserts) >= late + len({sent["insert_deduplication_token"] for sent in inserts})
    await assert_stored_once(tables, entries(0))


# The server as a process, killed in mid-insert.


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ClickHouseProcess]:
    with ClickHouseProcess(tmp_path / "process") as process:
        yield process


@pytest.fixture
async def elsewhere(process: ClickHouseProcess) -> AsyncIterator[Store]:
    """A store on that process, with its tables."""
    settings = StoreSettings.model_validate(
        {"clickhouse_url": process.url, "clickhouse_user": USER, "clickhouse_password": PASSWORD}
    )
    store = open_store(settings)
    await migrate(store, settings)
    yield store
    await store.close()


# Slower by seconds, the engine has not begun when the server is killed; by a factor, it has finished.
@pytest.mark.parametrize("slow", [Slow(seconds=60, only="insert"), Slow(factor=10_000, only="insert")])
@pytest.mark.parametrize("insert", [1, 2])
async def test_a_server_killed_in_mid_insert_holds_every_row_once(
    process: ClickHouseProcess, elsewhere: Store, slow: Slow, insert: int
) -> None:
    if insert > 1:
        process.add_fault(Slow(only="insert", times=insert - 1))
    process.add_fault(Slow(only="insert", times=1, seconds=slow.seconds, factor=slow.factor))
    sink = writer(elsewhere)
    writing = asyncio.create_task(write(sink, entries(0)))
    await until(lambda: not process.faults_left(), "the insert is under way")
    await asyncio.to_thread(process.kill)
    await until(lambda: sink.failing, "the writer knows")
    assert not writing.done()
    await asyncio.to_thread(process.start)
    await writing
    assert sink.stored_rows == EVENTS
    await assert_stored_once(elsewhere, entries(0))
