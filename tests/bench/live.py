"""This project's processes while events come in: what a burst of events costs each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep, time
from uuid import uuid4

import msgspec
from confluent_kafka import Consumer, TopicPartition

from loopin_schemas.topics import PROFILES, RAW
from loopin_sinks.persons.profile_sink import GROUP as PROFILES_GROUP
from tests.bench.bench import Bench
from tests.bench.figures import Figure
from tests.bench.inserts import Inserted
from tests.bench.measure import ProcessTree
from tests.bench.messages import publish
from tests.bench.process import System, SystemFailed, this_python
from tests.bench.subject import Order

UP_S = 180.0
STORED_S = 900.0
POLL_S = 0.02
PROFILES_POLL_S = 0.2
BROKER_S = 20.0


@dataclass
class LiveStack:
    """Processes that are up: the whole tree, each role's, and how long the worker took to open (seconds)."""

    bench: Bench
    order: Order
    tree: ProcessTree
    roles: dict[str, ProcessTree]
    restore_s: float
    inserted: Inserted

    def burst(self, messages: Iterable[tuple[bytes, bytes]], events: int, figure: Figure) -> None:
        """Publish ``events`` events as fast as the broker takes them, and note the cost until all is stored.

        The rate is that of the rows of events; the cost is of the profiles, too, which may be stored later.

        Raises:
            SystemFailed: not all are stored in time.
        """
        broker = self.bench.broker.tree
        parts = {"": self.tree, "broker": broker, **self.roles}
        before = {name: part.cpu_s() for name, part in parts.items()}
        rows, began = self.inserted.rows, time()
        publish(messages, self.order.bootstrap, self.order.topic)
        self.wait_for(rows + events)
        self._wait_for_profiles()
        spent = {name: (part.cpu_s() - before[name]) / events * 1e6 for name, part in parts.items()}
        figure.events = events
        figure.events_per_s = events / (self.inserted.last_at - began)
        figure.cpu_us_per_event = spent.pop("")
        figure.broker_cpu_us_per_event = spent.pop("broker")
        figure.rss_mb = self.tree.peak_rss_mb
        figure.more |= {f"{role}_cpu_us": us for role, us in spent.items()}
        figure.more |= {f"{role}_rss_mb": tree.peak_rss_mb for role, tree in self.roles.items()}

    def _wait_for_profiles(self) -> None:
        """Until the store has read all of the topic ``profiles``, the marks of its transactions included.

        Raises:
            SystemFailed: not in time.
        """
        group, topic = self.order.prefix + PROFILES_GROUP, self.order.prefix + PROFILES.name
        consumer = Consumer({"bootstrap.servers": self.order.bootstrap, "group.id": group})
        try:
            partitions = consumer.list_topics(topic, BROKER_S).topics[topic].partitions
            asked = [TopicPartition(topic, number) for number in partitions]
            deadline = monotonic() + STORED_S
            ends = {at.partition: consumer.get_watermark_offsets(at, BROKER_S)[1] for at in asked}
            while any(max(at.offset, 0) < ends[at.partition] for at in consumer.committed(asked, BROKER_S)):
                if monotonic() > deadline:
                    raise SystemFailed(f"profiles are not stored after {STORED_S:.0f} s")
                sleep(PROFILES_POLL_S)
        finally:
            consumer.close()

    def wait_for(self, rows: int, seconds: float = STORED_S) -> None:
        """Until so many rows are stored.

        Raises:
            SystemFailed: not in time.
        """
        deadline = monotonic() + seconds
        while self.inserted.rows < rows:
            if monotonic() > deadline:
                raise SystemFailed(f"{self.inserted.rows} of {rows} rows are stored after {seconds:.0f} s")
            sleep(POLL_S)
            self.inserted.look()


@dataclass(frozen=True)
class Installation:
    """Topics and a folder, which outlive the processes on them."""

    bench: Bench
    name: str
    order: Order

    @contextmanager
    def up(self, workers: int = 1) -> Iterator[LiveStack]:
        """Start the processes; they end with the context.

        Raises:
            SystemFailed: they do not come up.
        """
        argv = ["tests.bench.stack", msgspec.json.encode(self.order).decode(), str(workers)]
        log = self.bench.logs / f"{self.name}.log"
        with ExitStack() as cleanup:
            system = cleanup.enter_context(System(argv, this_python(), log, self.bench.broker.tree))
            said = system.wait_for("up", UP_S).what
            roles = {name: cleanup.enter_context(ProcessTree(pid)) for name, pid in said["pids"].items()}
            inserted = Inserted(Path(self.order.folder))
            inserted.look()
            yield LiveStack(self.bench, self.order, system.tree, roles, said["restore_s"], inserted)


@contextmanager
def installation(bench: Bench, name: str, partitions: int) -> Iterator[Installation]:
    """A new installation, removed from the broker at the end."""
    prefix = f"{name}-{uuid4().hex[:8]}."
    folder = bench.broker.folder / prefix
    folder.mkdir()
    order = Order(
        bootstrap=bench.broker.bootstrap,
        prefix=prefix,
        topic=prefix + RAW.name,
        out="",
        events=0,
        kept=0,
        partitions=partitions,
        folder=str(folder),
    )
    bench.broker.create_topics([order.topic], partitions, RAW.config())
    try:
        yield Installation(bench, name, order)
    finally:
        bench.broker.delete_topics(prefix)
