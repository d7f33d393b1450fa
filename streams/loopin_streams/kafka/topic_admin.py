"""Creating topics and comparing them with the table; Faust never does."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any
from uuid import UUID

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from loopin_schemas.topics import TOPICS, Topic
from loopin_streams.kafka.errors import BrokerRefused, BrokerUnreachable
from loopin_streams.kafka.settings import KafkaSettings

TIMEOUT_S = 15.0
VISIBLE_POLL_S = 0.05
GONE = KafkaError.UNKNOWN_TOPIC_OR_PART
UNREACHABLE = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT)


@dataclass(frozen=True, slots=True)
class Difference:
    """How one topic on the broker differs from the table.

    ``kind`` is ``missing``, ``config``, ``partitions`` or ``replication``. The last two are never applied:
    the partition count of a keyed topic decides where a user's events are, and replicas are placed by
    whoever runs the brokers.
    """

    topic: str
    kind: str
    detail: str

    @property
    def refused(self) -> bool:
        """Whether ``apply`` leaves it alone."""
        return self.kind in ("partitions", "replication")


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """Kafka's id of a topic, as UUID text, its partition count, and the replicas that each partition has."""

    id: str
    partitions: int
    replicas: int = 1


class TopicAdmin:
    """Topics of one installation.

    Every method raises :class:`BrokerUnreachable` when no broker answers within 15 s.
    """

    def __init__(self, settings: KafkaSettings, topics: Sequence[Topic] = TOPICS) -> None:
        self._settings = settings
        self._topics = topics
        self._admin = AdminClient(
            {
                "bootstrap.servers": settings.kafka_bootstrap,
                "socket.timeout.ms": int(TIMEOUT_S * 1000),
                "log_level": 0,
            }
        )

    def describe(self) -> dict[str, TopicInfo]:
        """The table's topics that exist, by name without prefix."""
        existing = self._metadata()
        names = {self._settings.topic(topic.name): topic.name for topic in self._topics}
        present = [full for full in names if full in existing]
        if not present:
            return {}
        found = self._admin.describe_topics(TopicCollection(present), request_timeout=TIMEOUT_S)
        # A topic may be deleted between two requests.
        described = {full: self._result(future, ignore=GONE) for full, future in found.items()}
        return {
            names[full]: TopicInfo(
                _uuid_text(str(topic.topic_id)),
                len(topic.partitions),
                min((len(partition.replicas) for partition in topic.partitions), default=0),
            )
            for full, topic in described.items()
            if topic is not None
        }

    def differences(self) -> list[Difference]:
        """Where the broker differs from the table, in the table's order."""
        return self._compared(self.describe())

    def _compared(self, found: Mapping[str, TopicInfo]) -> list[Difference]:
        out = []
        for topic in self._topics:
            info = found.get(topic.name)
            if info is None:
                out.append(Difference(topic.name, "missing", f"{self._partitions(topic)} partitions"))
                continue
            if info.partitions != self._partitions(topic):
                wanted = self._partitions(topic)
                out.append(Difference(topic.name, "partitions", f"{info.partitions}, table says {wanted}"))
            if info.replicas < self._settings.replication:
                out.append(
                    Difference(
                        topic.name,
                        "replication",
                        f"{info.replicas} replicas, LOOPIN_REPLICATION says {self._settings.replication}",
                    )
                )
            wanted_config = topic.config(info.replicas)
            out += [
                Difference(topic.name, "config", f"{name}={value}, table says {wanted_config[name]}")
                for name, value in self._config(topic, wanted_config).items()
                if value != wanted_config[name]
            ]
        return out

    def apply(self) -> list[Difference]:
        """Create what is missing and set what differs, and see it done; returns the differences found before.

        Partition counts and replicas are left alone (``Difference.refused``).
        """
        there = self.describe()
        found = self._compared(there)
        by_name = {topic.name: topic for topic in self._topics}
        missing = [by_name[change.topic] for change in found if change.kind == "missing"]
        if missing:
            futures = self._admin.create_topics([self._new(topic) for topic in missing])
            for future in futures.values():
                self._result(future, ignore=KafkaError.TOPIC_ALREADY_EXISTS)
        for name in {change.topic for change in found if change.kind == "config"}:
            self._set_config(by_name[name], there[name].replicas)
        if any(not change.refused for change in found):
            self._await_applied()
        return found

    def _await_applied(self) -> None:
        """The controller answers before the brokers show what it has done."""
        deadline = monotonic() + TIMEOUT_S
        while any(not left.refused for left in self.differences()):
            if monotonic() > deadline:
                raise BrokerRefused(
                    f"The Kafka broker does not show the changed topics after {TIMEOUT_S:.0f} s: see its log."
                )
            sleep(VISIBLE_POLL_S)

    def _partitions(self, topic: Topic) -> int:
        return self._settings.partitions if topic.partitions == "raw" else 1

    def _new(self, topic: Topic) -> NewTopic:
        return NewTopic(
            self._settings.topic(topic.name),
            num_partitions=self._partitions(topic),
            replication_factor=self._settings.replication,
            config=topic.config(self._settings.replication),
        )

    def _metadata(self) -> set[str]:
        try:
            return set(self._admin.list_topics(timeout=TIMEOUT_S).topics)
        except KafkaException as error:
            raise self._unreachable() from error

    def _config(self, topic: Topic, wanted: Iterable[str]) -> dict[str, str]:
        resource = ConfigResource(ConfigResource.Type.TOPIC, self._settings.topic(topic.name))
        entries = self._result(self._admin.describe_configs([resource])[resource], ignore=GONE) or {}
        return {name: entries[name].value for name in wanted if name in entries}

    def _set_config(self, topic: Topic, replicas: int) -> None:
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in topic.config(replicas).items()
        ]
        resource = ConfigResource(
            ConfigResource.Type.TOPIC, self._settings.topic(topic.name), incremental_configs=entries
        )
        self._result(self._admin.incremental_alter_configs([resource])[resource])

    def _result(self, future: Future[Any], *, ignore: int | None = None) -> Any:
        try:
            return future.result(TIMEOUT_S)
        except TimeoutError as error:
            raise self._unreachable() from error
        except KafkaException as error:
            cause = error.args[0]
            if cause.code() == ignore:
                return None
            if cause.code() in UNREACHABLE:
                raise self._unreachable() from error
            raise BrokerRefused(f"The Kafka broker refused: {cause.str()}.") from error

    def _unreachable(self) -> BrokerUnreachable:
        return BrokerUnreachable(
            f"No Kafka broker answers at {self._settings.kafka_bootstrap}: start one (loopin kafka start), "
            "or set LOOPIN_KAFKA_BOOTSTRAP."
        )


def _uuid_text(kafka_id: str) -> str:
    """UUID text of Kafka's own form, base64 without padding."""
    return str(UUID(bytes=urlsafe_b64decode(kafka_id + "==")))
