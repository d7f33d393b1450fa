"""A consumer's lag and readiness, on a real broker, against append times that are known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping

import pytest
from confluent_kafka import Producer

from loopin_streams.kafka import logs as logs_module
from loopin_streams.kafka.errors import BrokerUnreachable
from loopin_streams.kafka.lag import Consumption, Lag, LagLimits, LagWatch
from loopin_streams.kafka.logs import Logs
from loopin_streams.kafka.partition_lag import Moment
from tests.streams.conftest import Broker
from tests.streams.kafka.new_topic import new_topic


class Clock:
    """A clock that tests set, beginning now."""

    def __init__(self) -> None:
        self.wall = time.time()
        self.steady = 0.0

    def __call__(self) -> Moment:
        return Moment(self.wall, self.steady)

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


class Reader:
    """A consumer that has come as far as a test says."""

    def __init__(self, **positions: int) -> None:
        self.positions = {int(name.removeprefix("p")): at for name, at in positions.items()}
        self.answer: Exception | None = None

    async def __call__(self) -> Mapping[int, int]:
        if self.answer is not None:
            raise self.answer
        return self.positions


Watching = Callable[..., LagWatch]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def topic(kafka: Broker, topic_prefix: str) -> str:
    """Two partitions whose records carry their producer's time."""
    return new_topic(kafka.bootstrap, topic_prefix, 2)


@pytest.fixture
def watching(kafka: Broker, topic: str, clock: Clock) -> Iterator[Watching]:
    """``watching(reader, limits)``: a watch of one consumer called ``reader``."""
    logs = Logs(kafka.bootstrap)

    def watch(reader: Reader, limits: LagLimits | None = None) -> LagWatch:
        return LagWatch(logs, [Consumption("reader", topic, reader)], limits or LagLimits(), clock)

    yield watch
    logs.close()


def produce(kafka: Broker, topic: str, partition: int, ages_s: list[float], clock: Clock) -> None:
    """Append records of these ages."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for age in ages_s:
        producer.produce(topic, b"{}", partition=partition, timestamp=round(1000 * (clock.wall - age)))
    assert producer.flush(60) == 0


async def test_the_partition_that_is_furthest_behind_counts(
    kafka: Broker, topic: str, watching: Watching, clock: Clock
) -> None:
    produce(kafka, topic, 0, [3600, 1800, 900, 60], clock)
    produce(kafka, topic, 1, [5000, 30], clock)
    watch = watching(Reader(p0=2, p1=1))
    assert watch.lag("reader") is None, "nobody has looked yet"
    assert watch.unready() == "reader: how far it is behind is not known yet."

    await watch.look()

    lag = watch.lag("reader")
    assert lag is not None
    assert lag.events == 3
    assert lag.seconds == pytest.approx(900, abs=0.002)
    assert watch.unready() == f"reader is 900 s behind (limit 300 s): 3 records wait in {topic}."


async def test_unready_until_it_has_caught_up(
    kafka: Broker, topic: str, watching: Watching, clock: Clock
) -> None:
    produce(kafka, topic, 0, [3600, 200, 100], clock)
    reader = Reader(p0=0, p1=0)
    watch = watching(reader)
    await watch.look()
    assert watch.unready() is not None
    reader.positions = {0: 1, 1: 0}
    await watch.look()
    assert watch.unready() is None, "200 s are within the limit"
    reader.positions = {0: 3, 1: 0}
    await watch.look()
    assert watch.lag("reader") == Lag(0, 0.0, 0.0, ())


async def test_behind_without_a_move_for_the_limit_is_stalled(
    kafka: Broker, topic: str, watching: Watching, clock: Clock
) -> None:
    produce(kafka, topic, 0, [1], clock)
    produce(kafka, topic, 1, [1, 1, 1], clock)
    reader = Reader(p0=0, p1=0)
    watch = watching(reader, LagLimits(max_lag_s=1e9, stall_s=30))
    await watch.look()
    for _ in range(16):
        clock.pass_by(2)
        # The other partition moves: that must not hide the one that does not.
        reader.positions[1] = min(3, reader.positions[1] + 1)
        await watch.look()
    assert watch.unready() == (
        f"reader stands still: records wait in partition 0 of {topic}, and nothing has moved for more than "
        "30 s."
    )
    lag = watch.lag("reader")
    assert lag is not None
    assert lag.stalled == (0,)
    reader.positions[0] = 1
    await watch.look()
    assert watch.unready() is None


async def test_who_has_nothing_to_do_never_stalls(watching: Watching, clock: Clock) -> None:
    watch = watching(Reader(p0=0, p1=0), LagLimits(stall_s=30))
    for _ in range(3):
        await watch.look()
        clock.pass_by(1000)
    await watch.look()
    assert watch.unready() is None


async def test_who_has_no_partition_is_ready(
    kafka: Broker, topic: str, watching: Watching, clock: Clock
) -> None:
    produce(kafka, topic, 0, [3600], clock)
    watch = watching(Reader())
    await watch.look()
    assert watch.unready() is None
    assert watch.lag("reader") == Lag()


async def test_a_partition_that_is_given_up_no_longer_counts(
    kafka: Broker, topic: str, watching: Watching, clock: Clock
) -> None:
    produce(kafka, topic, 0, [3600], clock)
    reader = Reader(p0=0)
    watch = watching(reader)
    await watch.look()
    assert watch.unready() is not None
    reader.positions = {}
    await watch.look()
    assert watch.unready() is None


async def test_a_consumer_that_does_not_say_where_it_stands_is_not_ready(
    watching: Watching, clock: Clock
) -> None:
    reader = Reader(p0=0)
    watch = watching(reader, LagLimits(stall_s=30))
    await watch.look()
    reader.answer = RuntimeError("no position")
    clock.pass_by(29)
    with pytest.raises(RuntimeError, match="no position"):
        await watch.look()
    assert watch.unready() is None
    clock.pass_by(2)
    assert watch.unready() == "reader: how far it is behind has not been known for 31 s."


async def test_what_waited_when_the_broker_went_away_grows_older(
    kafka: Broker, topic: str, watching: Watching, clock: Clock
) -> None:
    produce(kafka, topic, 0, [10], clock)
    watch = watching(Reader(p0=0))
    await watch.look()
    clock.pass_by(100)
    lag = watch.lag("reader")
    assert lag is not None
    assert lag.seconds == pytest.approx(110, abs=0.002)


async def test_a_watch_goes_on_while_the_broker_is_away(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(logs_module, "TIMEOUT_S", 0.05)
    monkeypatch.setattr("loopin_streams.kafka.lag.LOOK_EVERY_S", 0.001)
    asked = 0
    again = asyncio.Event()

    async def positions() -> Mapping[int, int]:
        nonlocal asked
        asked += 1
        if asked == 3:
            again.set()
        return {0: 0}

    watch = LagWatch(Logs("127.0.0.1:1"), [Consumption("reader", "topic", positions)], LagLimits(), clock)
    stop = asyncio.Event()
    running = asyncio.create_task(watch.run(stop))
    async with asyncio.timeout(60):
        await again.wait()
        stop.set()
        await running
    clock.pass_by(31)
    assert watch.unready() == "reader: how far it is behind has not been known for 31 s."


async def test_a_look_says_that_the_broker_is_away(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(logs_module, "TIMEOUT_S", 0.05)
    logs = Logs("127.0.0.1:1")
    watch = LagWatch(logs, [Consumption("reader", "topic", Reader(p0=0))], LagLimits(), clock)
    with pytest.raises(BrokerUnreachable):
        await watch.look()
    logs.close()
