"""A closed job: a topic is filled, then each system works it off as fast as it can.

Every run publishes the same messages anew; the systems read them one after the other, in an order that moves
on by one with every run. They read the same topic where nothing has to be appended to it afterwards, else
each a topic of its own with the same records in the same partitions. Time and CPU are counted from the first
record that a system gets to the last one worked off, so its start (imports, connecting, opening) is apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple
from uuid import uuid4

from confluent_kafka import Producer

from tests.bench.bench import PARTITIONS, Bench
from tests.bench.broker import Tail
from tests.bench.figures import Figure
from tests.bench.messages import closing_messages, produce, publish, read_messages
from tests.bench.process import System, SystemFailed, start
from tests.bench.roster import PEERS_APART
from tests.bench.subject import Order

START_S = 90.0
WORK_S = 600.0


@dataclass(frozen=True)
class Done:
    """A system that has worked everything off and still runs."""

    bench: Bench
    running: System
    system: str
    order: Order
    messages: Path
    found: Mapping[str, Any]


class ResultSize(NamedTuple):
    """How many messages reach the result, in how many windows, and when the last one begins (epoch ms)."""

    kept: int
    windows: int = 0
    last_ms: int = 0


@dataclass(frozen=True)
class ClosedJob:
    """One job for every system.

    Args:
        name: J0, J1 or J2.
        topic: name of the topic after the prefix.
        events: how many, by system; ``""`` is for all others.
        result_size: of a file's messages.
        wrong: asked when a system is done: how its result differs from the oracle's, or "".
        topic_config: of the topic.
        appends: whether ``wrong`` adds events to the topic, so that the next system needs another one.
    """

    name: str
    topic: str
    events: Mapping[str, int]
    result_size: Callable[[Bench, Path], ResultSize]
    wrong: Callable[[Done], str]
    topic_config: Mapping[str, str]
    appends: bool

    def size(self, bench: Bench, system: str) -> int:
        """How many events a system is given."""
        return bench.scaled(self.events.get(system, self.events[""]))


def run_closed(job: ClosedJob, bench: Bench) -> None:
    """All runs of all systems."""
    for run in range(1, bench.runs + 1):
        turn = (run - 1) % len(bench.systems)
        filled: dict[int, str] = {}
        for system in bench.systems[turn:] + bench.systems[:turn]:
            size = job.size(bench, system)
            if not filled:
                bench.refresh()
            if size not in filled:
                filled[size] = _publish(job, bench, size)
            figure = _measured(job, bench, system, run, filled[size])
            bench.add(figure)
            if job.appends:
                bench.broker.delete_topics(filled.pop(size))
        for prefix in filled.values():
            bench.broker.delete_topics(prefix)


def _publish(job: ClosedJob, bench: Bench, events: int) -> str:
    """Fill a topic of its own for this run; returns its prefix."""
    prefix = f"{job.name.lower()}-{uuid4().hex[:8]}."
    topic = prefix + job.topic
    bench.broker.create_topics([topic], PARTITIONS, job.topic_config)
    began = monotonic()
    publish(read_messages(bench.messages(events)), bench.broker.bootstrap, topic)
    bench.tell(f"{job.name}: {events:,} messages published in {monotonic() - began:.0f} s")
    return prefix


def _measured(job: ClosedJob, bench: Bench, system: str, run: int, prefix: str) -> Figure:
    events = job.size(bench, system)
    messages = bench.messages(events)
    folder = bench.broker.folder / f"{job.name}-{system}-{run}"
    folder.mkdir()
    order = Order(
        bootstrap=bench.broker.bootstrap,
        prefix=prefix,
        topic=prefix + job.topic,
        out=f"{prefix}{system}.out",
        events=events,
        **job.result_size(bench, messages)._asdict(),
        partitions=PARTITIONS,
        folder=str(folder),
    )
    bench.broker.create_topics([order.out], PARTITIONS)
    figure = Figure(job=job.name, system=system, run=run, events=events)
    try:
        log, apart = bench.logs / f"{job.name}-{system}-{run}.log", system in PEERS_APART
        with start(system, job.name, order, log, bench.broker.tree, peers=apart) as running:
            _watch(job, bench, running, order, figure)
    except SystemFailed as error:
        figure.wrong = str(error)
    return figure


def _watch(job: ClosedJob, bench: Bench, running: System, order: Order, figure: Figure) -> None:
    figure.versions = running.wait_for("versions", START_S).what["versions"]
    ready = running.wait_for("ready", START_S)
    figure.start_cpu_s = ready.cpu_s
    first = running.wait_for("first", START_S)
    done = running.wait_for("done", WORK_S)
    figure.rss_mb = running.tree.peak_rss_mb
    seconds = done.at - first.at
    figure.more["seconds"] = seconds
    figure.events_per_s = figure.events / seconds
    figure.cpu_us_per_event = (done.cpu_s - ready.cpu_s) / figure.events * 1e6
    figure.broker_cpu_us_per_event = (done.broker_cpu_s - ready.broker_cpu_s) / figure.events * 1e6
    figure.more |= done.what.get("more", {})
    messages = bench.messages(figure.events)
    figure.wrong = job.wrong(Done(bench, running, figure.system, order, messages, done.what))


def close_windows(done: Done, after_ms: int) -> None:
    """Publish the events that close every window, into each partition."""
    producer = Producer({"bootstrap.servers": done.order.bootstrap, "enable.idempotence": True})
    for key, body, partition in closing_messages(done.bench.start_ms, done.order.partitions, after_ms):
        produce(producer, done.order.topic, key, body, partition)
    producer.flush(10)


def read_until(
    done: Done, take: Callable[[bytes], None], complete: Callable[[], bool], seconds: float
) -> bool:
    """Hand over what the system publishes until it is ``complete``; whether that was in time."""
    tail = Tail(done.order.bootstrap, done.order.out, done.order.partitions)
    deadline = monotonic() + seconds
    try:
        while not complete():
            if monotonic() > deadline:
                return False
            for message in tail.more():
                take(message.value() or b"")
        return True
    finally:
        tail.close()
