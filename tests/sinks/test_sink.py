"""The sink on a real broker and the real engine: whatever fails when, each record is one row."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import pyarrow as pa
import pytest
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from loopin_schemas.codec import decode
from loopin_schemas.dead_letter import DeadLetter
from loopin_sinks.migrate import migrate
from loopin_sinks.settings import SinkSettings
from loopin_sinks.sink import Sink
from loopin_sinks.store import Store, StoreError, StoreSettings
from loopin_sinks.store.interface import RowStream
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.topic_admin import TopicAdmin

DEADLINE_S = 60.0
DAY_MS = 86_400_000


class Broker(Protocol):
    @property
    def bootstrap(self) -> str: ...


async def until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_S) -> None:
    """Return once the condition holds; fails the test after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"after {seconds:.0f} s still not: {what}")
        await asyncio.sleep(0.01)


@dataclass
class Inserted:
    """One call of ``insert``."""

    partition: int
    offsets: list[int]
    months: set[str]
    token: str


@dataclass
class FaultyStore:
    """The real store, with a say before and after each insert; what is raised there stands for a failure."""

    store: Store
    before: Callable[[Inserted], Any] | None = None
    after: Callable[[Inserted], Any] | None = None
    inserts: list[Inserted] = field(default_factory=list)
    failing: bool = False

    async def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
        call = Inserted(
            rows["_partition"][0].as_py(),
            rows["_offset"].to_pylist(),
            {moment.strftime("%Y%m") for moment in rows["timestamp"].to_pylist()},
            token,
        )
        self.inserts.append(call)
        self._check()
        if self.before is not None and (waited := self.before(call)) is not None:
            await waited
        await self.store.insert(table, rows, token=token)
        if self.after is not None and (waited := self.after(call)) is not None:
            await waited

    async def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        self._check()
        return await self.store.query(sql, parameters)

    def stream(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> AbstractAsyncContextManager[RowStream]:
        return self.store.stream(sql, parameters)

    async def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        await self.store.command(sql, parameters)

    async def ping(self) -> None:
        await self.store.ping()

    async def version(self) -> str:
        return await self.store.version()

    async def close(self) -> None:
        await self.store.close()

    def _check(self) -> None:
        if self.failing:
            raise StoreError("store_unreachable", "ClickHouse does not answer.")


@dataclass
class Enriched:
    """The topic events.enriched of one installation, and the store behind it."""

    settings: SinkSettings
    store_settings: StoreSettings
    store: Store
    topic_id: str
    producer: Producer
    published: int = 0

    def publish(self, number: int, *, days_apart: float = 0.0, abort: bool = False) -> None:
        """One transaction of events, turn about in both partitions, each so many days before the last."""
        now = int(time.time() * 1000)
        self.producer.begin_transaction()
        for at in range(number):
            event = {
                "uuid": str(uuid.uuid4()),
                "project": "demo",
                "event": "click",
                "distinct_id": f"u{at}",
                "timestamp": now - int(at // 2 * days_apart * DAY_MS),
                "received_at": now,
                "sent_at": now - 5,
                "properties": {"at": at},
                "_raw_partition": at % 2,
                "_raw_offset": at,
            }
            body = json.dumps(event).encode()
            self.producer.produce(self.settings.topic("events.enriched"), body, partition=at % 2)
        self.producer.flush(20)
        if abort:
            self.producer.abort_transaction(20)
        else:
            self.producer.commit_transaction(20)
            self.published += number

    def sink(self, store: Store | None = None, **changes: Any) -> Sink:
        settings = self.settings.model_copy(update=changes)
        return Sink(settings, store or self.store, self.store_settings, self.topic_id)

    def records(self) -> set[tuple[int, int, str]]:
        """(partition, offset, uuid) of every committed record, by a plain consumer."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.settings.kafka_bootstrap,
                "group.id": "unused",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        topic = self.settings.topic("events.enriched")
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(2)])
        found: set[tuple[int, int, str]] = set()
        ended: set[int] = set()
        while len(ended) < 2:
            for message in consumer.consume(10_000, 0.1):
                error = message.error()
                if error is None:
                    identity = json.loads(message.value() or b"")["uuid"]
                    found.add((message.partition(), message.offset(), identity))
                else:
                    assert error.code() == KafkaError._PARTITION_EOF
                    ended.add(message.partition())
        consumer.close()
        return found

    async def assert_stored_once(self) -> None:
        """Each committed record is exactly one row, counted without FINAL."""
        rows = await self.store.query(
            "SELECT _partition AS p, _offset AS o, toString(uuid) AS u, toString(_topic_id) AS t FROM events"
        )
        stored = [(row["p"], row["o"], row["u"]) for row in rows]
        expected = self.records()
        assert len(expected) == self.published
        assert len(stored) == len(set(stored)), "rows were doubled"
        assert set(stored) == expected
        assert {row["t"] for row in rows} <= {self.topic_id}


@pytest.fixture
async def enriched(
    kafka: Broker, topic_prefix: str, embedded: Store, embedded_settings: StoreSettings
) -> Enriched:
    settings = SinkSettings.model_validate(
        {
            "kafka_bootstrap": kafka.bootstrap,
            "topic_prefix": topic_prefix,
            "partitions": 2,
            "session_timeout_s": 6,
            "insert_interval_s": 0.05,
        }
    )
    admin = TopicAdmin(settings)
    admin.apply()
    await migrate(embedded, embedded_settings)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{topic_prefix}writer"})
    producer.init_transactions(20)
    topic_id = admin.describe()["events.enriched"].id
    return Enriched(settings, embedded_settings, embedded, topic_id, producer)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopin_sinks.writer.RETRY_S", (0.02,))


@asynccontextmanager
async def running(sink: Sink) -> AsyncIterator[asyncio.Event]:
    """The sink at work; stopped at the end as its role stops it."""
    stop = asyncio.Event()
    task = asyncio.create_task(sink.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(15):
            await task


async def stored_all(enriched: Enriched, *sinks: Sink) -> None:
    """Until the sinks together have stored what was published."""

    async def count() -> int:
        return int((await enriched.store.query("SELECT count() AS c FROM events"))[0]["c"])

    deadline = time.monotonic() + DEADLINE_S
    while await count() < enriched.published or any([await sink.lag() for sink in sinks]):
        assert time.monotonic() < deadline, f"{await count()} of {enriched.published} rows are stored"
        await asyncio.sleep(0.02)


async def kill(sink: Sink, store: FaultyStore, insert: int) -> None:
    """Run the sink until its ``insert``-th insert stands still, then cut it off."""
    task = asyncio.create_task(sink.run(asyncio.Event()))
    await until(lambda: len(store.inserts) >= insert or task.done(), f"insert {insert}")
    # What stands still in the insert has passed its point by then.
    await until(lambda: getattr(store, "stands_still", False) or task.done(), "standing still")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def stand_still_at(store: FaultyStore, insert: int, when: str) -> None:
    """Never return from the ``insert``-th insert, before or after it has really happened."""

    async def never() -> None:
        store.stands_still = True  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    def at(_: Inserted) -> Any:
        return never() if len(store.inserts) == insert else None

    setattr(store, when, at)


# The plain way.


async def test_every_record_is_one_row_and_the_lag_falls_to_zero(enriched: Enriched) -> None:
    enriched.publish(300)
    enriched.publish(50, abort=True)
    enriched.publish(21)
    sink = enriched.sink()
    async with running(sink):
        await stored_all(enriched, sink)
        assert await sink.lag() == 0
        assert sink.assigned
        enriched.publish(10)
        await until(lambda: sink.writer.stored_rows == 331, "the later rows")
        assert await sink.lag() == 0
        assert sink.writer.newest_received_ms is not None
        assert 5 <= (sink.writer.latency.percentile(50) or 0) < 60_000
    await enriched.assert_stored_once()


async def test_the_lag_counts_what_is_not_stored(enriched: Enriched) -> None:
    store = FaultyStore(enriched.store, failing=True)
    enriched.publish(30)
    sink = enriched.sink(store)
    async with running(sink):
        await until(lambda: sink.writer.failing, "the store fails")
        # Each partition holds 15 records and the transaction's marker.
        assert await sink.lag() >= 30
        store.failing = False
        await stored_all(enriched, sink)
        assert await sink.lag() == 0


async def test_an_insert_holds_one_month_and_few_rows(enriched: Enriched) -> None:
    store = FaultyStore(enriched.store)
    enriched.publish(240, days_apart=0.6)
    sink = enriched.sink(store, batch_size=50)
    async with running(sink):
        await stored_all(enriched, sink)
    assert {len(call.months) for call in store.inserts} == {1}
    assert len({month for call in store.inserts for month in call.months}) >= 3
    assert max(len(call.offsets) for call in store.inserts) <= 50
    assert len({call.token for call in store.inserts}) == len(store.inserts)
    await enriched.assert_stored_once()


async def test_a_restart_reads_nothing_twice(enriched: Enriched) -> None:
    enriched.publish(40)
    first = enriched.sink()
    async with running(first):
        await stored_all(enriched, first)
    enriched.publish(40)
    store = FaultyStore(enriched.store)
    second = enriched.sink(store)
    async with running(second):
        await stored_all(enriched, second)
    assert second.writer.stored_rows == 40
    assert sum(len(call.offsets) for call in store.inserts) == 40
    await enriched.assert_stored_once()


# A sink that is cut off.


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("insert", [1, 2, 3])
async def test_a_sink_cut_off_around_an_insert_is_completed_by_the_next(
    enriched: Enriched, when: str, insert: int
) -> None:
    # Two partitions of about three months each: the cut falls within a range, too.
    enriched.publish(120, days_apart=1.0)
    store = FaultyStore(enriched.store)
    stand_still_at(store, insert, when)
    await kill(enriched.sink(store), store, insert)
    cut = store.inserts[-1].partition
    enriched.publish(30)
    fresh = FaultyStore(enriched.store)
    successor = enriched.sink(fresh)
    async with running(successor):
        await stored_all(enriched, successor)
    await enriched.assert_stored_once()
    # The noted range is repeated by itself, before anything that came later: offset 60 is a marker.
    repeated = [call.offsets for call in fresh.inserts if call.partition == cut]
    assert all((min(offsets) > 60) == (max(offsets) > 60) for offsets in repeated)
    later = [min(offsets) > 60 for offsets in repeated]
    assert later == sorted(later)


async def test_a_sink_that_is_late_with_an_insert_that_its_successor_repeated_adds_nothing(
    enriched: Enriched,
) -> None:
    # More than one fetch a partition: the successor has to repeat the range as one, as it was noted.
    enriched.publish(16_000)
    store, released, landed = FaultyStore(enriched.store), asyncio.Event(), asyncio.Event()
    store.before = lambda _: released.wait()
    store.after = lambda _: landed.set()
    late = enriched.sink(store, session_timeout_s=1.0, insert_interval_s=2.0)
    async with running(late):
        await until(lambda: store.inserts, "the first insert is under way")
        successor = enriched.sink(session_timeout_s=1.0)
        async with running(successor):
            # The group waits for the late one until its rebalance timeout, then goes on without it.
            await stored_all(enriched)
            released.set()
            enriched.publish(20)
            await stored_all(enriched)
            async with asyncio.timeout(DEADLINE_S):
                await landed.wait()
    assert len(store.inserts[0].offsets) > 5_000
    await enriched.assert_stored_once()


# A store that fails.


async def test_a_store_that_is_away_for_a_while_loses_nothing(enriched: Enriched) -> None:
    store = FaultyStore(enriched.store, failing=True)
    enriched.publish(80, days_apart=1.0)
    sink = enriched.sink(store)
    async with running(sink):
        await until(lambda: sink.writer.failing == "ClickHouse does not answer.", "it says what fails")
        enriched.publish(40)
        assert sink.writer.stored_rows == 0
        store.failing = False
        await stored_all(enriched, sink)
        await until(lambda: sink.writer.failing is None, "it no longer fails")
    assert sink.writer.stored_rows == 120
    await enriched.assert_stored_once()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_inserts_that_fail_now_and_then_are_stored_once_and_counted_once(
    enriched: Enriched, when: str
) -> None:
    store = FaultyStore(enriched.store)

    def fail_every_third(_: Inserted) -> None:
        if len(store.inserts) % 3 == 1:
            raise StoreError("query_timeout", "The answer was lost.")

    setattr(store, when, fail_every_third)
    sink = enriched.sink(store, batch_size=50)
    async with running(sink):
        for _ in range(3):
            enriched.publish(100, days_apart=0.7)
        await stored_all(enriched, sink)
        await until(lambda: sink.writer.stored_rows >= 300, "all rows counted", 5)
    assert sink.writer.stored_rows == 300
    await enriched.assert_stored_once()


async def test_a_stop_while_the_store_is_away_is_prompt_and_the_next_sink_completes(
    enriched: Enriched,
) -> None:
    store = FaultyStore(enriched.store, failing=True)
    enriched.publish(80, days_apart=1.0)
    sink = enriched.sink(store)
    stop = asyncio.Event()
    task = asyncio.create_task(sink.run(stop))
    await until(lambda: sink.writer.failing, "the store fails")
    stop.set()
    async with asyncio.timeout(5):
        await task
    successor = enriched.sink()
    async with running(successor):
        await stored_all(enriched, successor)
    await enriched.assert_stored_once()


async def test_a_stop_during_a_rebalance_is_prompt_too(enriched: Enriched) -> None:
    store = FaultyStore(enriched.store, failing=True)
    enriched.publish(10)
    sink = enriched.sink(store)
    stop = asyncio.Event()
    task = asyncio.create_task(sink.run(stop))
    await until(lambda: sink.writer.failing, "the store fails")
    stop.set()
    await sink.on_partitions_revoked([])
    async with asyncio.timeout(5):
        await task


async def test_a_successor_of_a_cut_off_sink_lags_while_it_cannot_repeat(enriched: Enriched) -> None:
    enriched.publish(40)
    store = FaultyStore(enriched.store)
    stand_still_at(store, 1, "before")
    await kill(enriched.sink(store), store, 1)
    away = FaultyStore(enriched.store, failing=True)
    successor = enriched.sink(away)
    async with running(successor):
        await until(lambda: successor.writer.failing, "the store fails")
        assert await successor.lag() >= 40
        away.failing = False
        await stored_all(enriched, successor)
    await enriched.assert_stored_once()


# Several sinks.


async def test_two_sinks_on_one_store_share_the_partitions(enriched: Enriched) -> None:
    first, second = enriched.sink(), enriched.sink()
    async with running(first):
        enriched.publish(100)
        await until(lambda: first.assigned, "the first has partitions")
        async with running(second):
            deadline = time.monotonic() + DEADLINE_S
            while not (second.assigned and first.assigned and second.writer.stored_rows):
                assert time.monotonic() < deadline, "the second sink gets no rows"
                enriched.publish(20)
                await asyncio.sleep(0.05)
            await stored_all(enriched)
        enriched.publish(50)
        await stored_all(enriched, first)
    await enriched.assert_stored_once()
    assert first.writer.stored_rows + second.writer.stored_rows == enriched.published


# Refusals.


async def test_another_topic_of_the_same_name_is_refused(enriched: Enriched) -> None:
    enriched.publish(10)
    first = enriched.sink()
    async with running(first):
        await stored_all(enriched, first)
    other = Sink(enriched.settings, enriched.store, enriched.store_settings, str(uuid.uuid4()))
    with pytest.raises(RefusedToOpen, match="delete the consumer group") as refusal:
        async with asyncio.timeout(15):
            await other.run(asyncio.Event())
    assert refusal.value.code == "topic_recreated"


async def test_a_sink_waits_for_its_first_events(enriched: Enriched) -> None:
    sink = enriched.sink()
    async with running(sink):
        await until(lambda: sink.assigned, "it has partitions")
        assert (await sink.lag(), sink.writer.stored_rows, sink.writer.failing) == (0, 0, None)
        assert sink.writer.newest_received_ms is None
        enriched.publish(5)
        await stored_all(enriched, sink)


async def test_what_was_read_before_the_stop_is_stored(enriched: Enriched) -> None:
    sink = enriched.sink(insert_interval_s=60.0)
    async with running(sink):
        await until(lambda: sink.assigned, "it has partitions")
        enriched.publish(30)
        await until(lambda: sink._waiting() == 30, "the rows wait")
        assert sink.writer.stored_rows == 0
    assert sink.writer.stored_rows == 30
    await enriched.assert_stored_once()


async def test_times_and_fields_arrive_as_they_were(enriched: Enriched) -> None:
    enriched.publish(1)
    sink = enriched.sink()
    async with running(sink):
        await stored_all(enriched, sink)
    [row] = await enriched.store.query("SELECT * FROM events")
    assert (row["project"], row["event"], row["distinct_id"]) == ("demo", "click", "u0")
    assert json.loads(row["properties"]) == {"at": 0}
    assert abs(row["timestamp"] - datetime.now(UTC)).total_seconds() < 60
    assert (row["received_at"] - row["sent_at"]).total_seconds() == pytest.approx(0.005)


async def test_a_consumer_group_set_back_doubles_nothing(enriched: Enriched) -> None:
    enriched.publish(60, days_apart=1)
    first = enriched.sink()
    async with running(first):
        await stored_all(enriched, first)
    topic = enriched.settings.topic("events.enriched")
    admin = AdminClient({"bootstrap.servers": enriched.settings.kafka_bootstrap})
    back = [TopicPartition(topic, partition, 0) for partition in range(2)]
    group = f"{enriched.settings.topic_prefix}clickhouse"
    asked = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, back)])
    asked[group].result(10)
    enriched.publish(20)
    second = enriched.sink()
    async with running(second):
        await stored_all(enriched, second)
    await enriched.assert_stored_once()
    assert second.writer.stored_rows == 20


async def test_a_deleted_consumer_group_doubles_nothing(enriched: Enriched) -> None:
    enriched.publish(40)
    first = enriched.sink()
    async with running(first):
        await stored_all(enriched, first)
    admin = AdminClient({"bootstrap.servers": enriched.settings.kafka_bootstrap})
    group = f"{enriched.settings.topic_prefix}clickhouse"
    admin.delete_consumer_groups([group])[group].result(10)
    enriched.publish(10)
    second = enriched.sink()
    async with running(second):
        await stored_all(enriched, second)
    await enriched.assert_stored_once()


async def test_records_lost_before_they_were_stored_are_not_passed_over(enriched: Enriched) -> None:
    enriched.publish(20)
    first = enriched.sink()
    async with running(first):
        await stored_all(enriched, first)
    enriched.publish(30)
    admin = AdminClient({"bootstrap.servers": enriched.settings.kafka_bootstrap})
    topic = enriched.settings.topic("events.enriched")
    for future in admin.delete_records([TopicPartition(topic, p, -1) for p in range(2)]).values():
        future.result(10)
    with pytest.raises(RefusedToOpen, match="delete the consumer group") as refusal:
        async with asyncio.timeout(15):
            await enriched.sink().run(asyncio.Event())
    assert refusal.value.code == "log_starts_after_marker"


async def test_a_record_that_is_no_event_becomes_a_dead_letter_and_its_neighbours_are_stored(
    enriched: Enriched,
) -> None:
    topic = enriched.settings.topic("events.enriched")
    enriched.publish(10)
    enriched.producer.begin_transaction()
    enriched.producer.produce(topic, b"not json", key=b"k" * 5_000, partition=1)
    enriched.producer.produce(topic, None, key=b"tombstone", partition=1)
    enriched.producer.commit_transaction(20)
    enriched.publish(10)
    sink = enriched.sink()
    async with running(sink):
        await stored_all(enriched, sink)
    assert sink.writer.unreadable == 2
    assert sink.writer.stored_rows == 20
    dlq = enriched.settings.topic("events.dlq")
    async with Reader(enriched.settings.kafka_bootstrap, [(dlq, 1)]) as reader:
        letters = [decode(record.value or b"", DeadLetter) for record in await reader.read(dlq, 1)]
    assert [(letter.reason, letter.step, letter.body) for letter in letters] == [
        ("unreadable", "sink", b"not json"),
        ("unreadable", "sink", b""),
    ]
    assert letters[0].key == b"k" * 1024
