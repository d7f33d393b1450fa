from __future__ import annotations

import asyncio

import pytest
from confluent_kafka import Producer

from loopin_streams.kafka.reader import Log, Reader
from tests.streams.installation import Installation
from tests.transactions import Out, Transactions

pytestmark = pytest.mark.usefixtures("collected")


@pytest.fixture
def topic(installation: Installation) -> str:
    return installation.settings.topic("events.enriched")


@pytest.fixture
def writer(installation: Installation) -> Transactions:
    settings = installation.settings
    return Transactions(settings.kafka_bootstrap, f"{settings.topic_prefix}writer")


def records(topic: str, *values: bytes) -> list[Out]:
    return [Out(topic, 0, None, value) for value in values]


async def test_committed_records_only_up_to_an_open_transaction(
    installation: Installation, topic: str, writer: Transactions
) -> None:
    writer.write(records(topic, b"1", b"2"))
    writer.begin(records(topic, b"no"))
    writer.abort()
    writer.write(records(topic, b"3"))
    writer.begin(records(topic, b"not yet"))
    async with Reader(installation.settings.kafka_bootstrap, [(topic, 0), (topic, 1)]) as reader:
        assert [record.value for record in await reader.read(topic, 0)] == [b"1", b"2", b"3"]
        # Two records and a marker, one and a marker, one and a marker.
        assert await reader.log(topic, 0) == Log(0, 7)
        assert await reader.read(topic, 1) == []
        assert await reader.log(topic, 1) == Log(0, 0)
        writer.commit()
        assert [record.value for record in await reader.read(topic, 0)][-1] == b"not yet"


async def test_a_log_that_ends_with_aborted_records_is_read_to_its_end(
    installation: Installation, topic: str, writer: Transactions
) -> None:
    writer.write(records(topic, b"1"))
    writer.begin(records(topic, *[b"no"] * 50))
    writer.abort()
    async with Reader(installation.settings.kafka_bootstrap, [(topic, 0)]) as reader:
        assert [record.value for record in await reader.read(topic, 0)] == [b"1"]


async def test_a_range_is_read_from_start_up_to_end(installation: Installation, topic: str) -> None:
    producer = Producer({"bootstrap.servers": installation.settings.kafka_bootstrap})
    for number in range(100):
        producer.produce(topic, str(number), partition=0)
    assert producer.flush(60) == 0
    async with Reader(installation.settings.kafka_bootstrap, [(topic, 0)]) as reader:

        async def offsets(start: int | None, end: int | None) -> list[int]:
            blocks = reader.blocks(topic, 0, start=start, end=end)
            return [record.offset async for block in blocks for record in block]

        assert await offsets(20, 30) == list(range(20, 30))
        assert await offsets(None, 5) == list(range(5))
        assert await offsets(90, 1000) == list(range(90, 100))
        assert await offsets(100, None) == []


async def test_a_reader_cancelled_while_it_connects_lets_its_consumer_go(
    installation: Installation, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(installation.settings.kafka_bootstrap, [(topic, 0)])
    stopped = asyncio.Event()

    async def never() -> None:
        await asyncio.Event().wait()

    async def stop() -> None:
        stopped.set()

    monkeypatch.setattr(reader._consumer, "start", never)
    monkeypatch.setattr(reader._consumer, "stop", stop)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), reader:
            pass
    assert stopped.is_set()
    monkeypatch.undo()
    await reader._consumer.stop()
