"""The bench's broker, its topics, and what systems put on them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from loopin_deploy.kafka import LocalKafka
from tests.bench.measure import ProcessTree
from tests.bench.topics import ADMIN_S, admin_of, create_topics


@dataclass(frozen=True)
class Broker:
    """A running broker, a folder for what the bench keeps, and the broker's own cost."""

    bootstrap: str
    folder: Path
    tree: ProcessTree

    def create_topics(
        self, names: Sequence[str], partitions: int, config: Mapping[str, str] | None = None
    ) -> None:
        """Create topics and see them there."""
        create_topics(self.bootstrap, names, partitions, config)

    def delete_topics(self, containing: str) -> None:
        """Delete every topic whose name contains the text: a system names its own after the prefix."""
        admin = admin_of(self.bootstrap)
        names = [name for name in admin.list_topics(timeout=ADMIN_S).topics if containing in name]
        if names:
            for deleted in admin.delete_topics(names).values():
                deleted.result(ADMIN_S)


class Tail:
    """Committed records of a topic from its start on, as they come."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "unused",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 20,
            }
        )
        self._consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])

    def more(self, seconds: float = 0.2) -> list[Message]:
        """What has come, waiting for at most ``seconds``."""
        found = self._consumer.consume(10_000, seconds)
        return [message for message in found if message.error() is None]

    def close(self) -> None:
        """Let the broker go."""
        self._consumer.close()


def _take_times_to_come(bootstrap: str) -> None:
    """The events that close the windows lie hours ahead, and some systems date what they write by them."""
    admin = admin_of(bootstrap)
    for broker in admin.list_topics(timeout=ADMIN_S).brokers:
        entry = ConfigEntry(
            "log.message.timestamp.after.max.ms", str(2**62), incremental_operation=AlterConfigOpType.SET
        )
        resource = ConfigResource(ConfigResource.Type.BROKER, str(broker), incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result(ADMIN_S)


@contextmanager
def running_broker() -> Iterator[Broker]:
    """A broker in a folder of its own, which goes with it."""
    folder = Path(mkdtemp(prefix="loopin-bench-"))
    kafka = LocalKafka(folder / "kafka", port=0)
    try:
        status = kafka.start()
        _take_times_to_come(kafka.bootstrap)
        assert status.pid is not None
        with ProcessTree(status.pid) as tree:
            yield Broker(kafka.bootstrap, folder, tree)
    finally:
        kafka.stop()
        shutil.rmtree(folder, ignore_errors=True)
