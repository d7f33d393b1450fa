"""From the topic to plain HTTP servers, on a real broker."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from time import time
from typing import Any

import aiokafka
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from confluent_kafka import Consumer, Message, TopicPartition

from loopin_deploy.kafka import LocalKafka
from loopin_schemas.alert import Alert
from loopin_schemas.codec import encode
from loopin_schemas.topics import ALERTS, NOTIFICATIONS
from loopin_sinks.notify import backoff, notifier
from loopin_sinks.notify.channels_file import Channels
from loopin_sinks.notify.notifier import Notifier
from loopin_sinks.notify.settings import NotifySettings
from loopin_sinks.progress import Progress
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.sinks.notify.told import DEADLINE_S, SECRET, Receiver, alert, eventually
from tests.transactions import Out, Transactions


class Installation:
    """Topics of an installation, and who writes alerts there."""

    def __init__(self, kafka: LocalKafka, prefix: str, receiver: Receiver) -> None:
        self.settings = NotifySettings(
            kafka_bootstrap=kafka.bootstrap, topic_prefix=prefix, partitions=1, session_timeout_s=6
        )
        admin = TopicAdmin(self.settings, [ALERTS, NOTIFICATIONS])
        admin.apply()
        self.ids = {name: info.id for name, info in admin.describe().items()}
        self.receiver = receiver
        self.writer = Transactions(kafka.bootstrap, f"{prefix}writer")

    def publish(self, *alerts: Alert | bytes, commit: bool = True) -> None:
        """One transaction, as the evaluators write it."""
        topic = self.settings.topic(ALERTS.name)
        bodies = [one if isinstance(one, bytes) else encode(one) for one in alerts]
        self.writer.begin([Out(topic, 0, b"shop:payment_failures", body) for body in bodies])
        if commit:
            self.writer.commit()
        else:
            self.writer.abort()

    def notifier(self, routes: Iterable[Mapping[str, Any]] | None = None, **changes: Any) -> Notifier:
        hook = {"url": f"webhook+http://{self.receiver.address}/hook", "secret": SECRET}
        content = {"channels": {"hook": hook, "json": f"json://{self.receiver.address}/json"}}
        channels = Channels.model_validate(content | ({"routes": list(routes)} if routes is not None else {}))
        settings = self.settings.model_copy(update=changes)
        return Notifier(settings, channels, self.ids[ALERTS.name])

    @asynccontextmanager
    async def working(self, one: Notifier) -> AsyncIterator[Notifier]:
        stop = asyncio.Event()
        task = asyncio.create_task(one.run(stop))
        try:
            yield one
        finally:
            stop.set()
            async with asyncio.timeout(DEADLINE_S):
                await task

    def hooked(self) -> list[tuple[str, int]]:
        """What the webhook was sent: the last figure of the id, and the sequence."""
        bodies = [json.loads(one.body) for one in self.receiver.requests if one.path == "/hook"]
        return [(body["id"][-1], body["sequence"]) for body in bodies]

    def noted(self) -> list[dict[str, Any]]:
        """The topic of notifications."""
        found = self._read(NOTIFICATIONS.name)
        return [json.loads(one.value() or b"") | {"key": (one.key() or b"").decode()} for one in found]

    def appended(self) -> list[int]:
        """When the broker got each alert, epoch ms."""
        return [one.timestamp()[1] for one in self._read(ALERTS.name)]

    def _read(self, topic: str) -> list[Message]:
        """A topic, read by a client that is not ours."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.settings.kafka_bootstrap,
                "group.id": "x",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
            }
        )
        consumer.assign([TopicPartition(self.settings.topic(topic), 0, 0)])
        found = []
        while (message := consumer.poll(DEADLINE_S)) is not None and message.error() is None:
            found.append(message)
        consumer.close()
        return found

    async def committed(self) -> tuple[int, str]:
        """The group's offset, and its metadata.

        Not by confluent-kafka, whose library reads on past the metadata now and then (librdkafka issue 4649).
        """
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka_bootstrap)
        await admin.start()
        found = await admin.list_consumer_group_offsets(f"{self.settings.topic_prefix}notify")
        await admin.close()
        of = found.get(aiokafka.TopicPartition(self.settings.topic(ALERTS.name), 0))
        return (of.offset, of.metadata) if of is not None else (-1, "")

    async def until_committed(self, wanted: Callable[[int, str], bool]) -> None:
        """Until the group's offset and metadata are as wanted."""
        async with asyncio.timeout(DEADLINE_S):
            while not wanted(*await self.committed()):  # noqa: ASYNC110 - the broker does not tell of it
                await asyncio.sleep(0.01)


@pytest.fixture
def installation(
    kafka: LocalKafka, topic_prefix: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, collected: None
) -> Installation:
    monkeypatch.setattr(backoff, "FIRST_S", 0.01)
    monkeypatch.setattr(backoff, "LONGEST_S", 0.05)
    monkeypatch.setattr(notifier, "COMMIT_EVERY_S", 0.05)
    return Installation(kafka, topic_prefix, receiver)


async def test_each_channel_gets_what_its_routes_say_and_it_is_noted(installation: Installation) -> None:
    routes: list[dict[str, Any]] = [{"channel": "hook"}, {"channel": "json", "severities": ["critical"]}]
    async with installation.working(installation.notifier(routes)):
        installation.publish(alert(9), commit=False)
        installation.publish(
            alert(1, event="pending", state="pending", fired_at=None),
            alert(2),
            alert(3, severity="critical"),
            alert(4, silenced=True),
            b"no json",
            alert(2, 2, event="resolved", state="resolved"),
        )
        await eventually(lambda: len(installation.noted()) == 4)

    assert sorted(installation.hooked()) == [("2", 1), ("2", 2), ("3", 1)]
    assert installation.hooked().index(("2", 1)) < installation.hooked().index(("2", 2))
    assert Counter(one.path for one in installation.receiver.requests) == {"/hook": 3, "/json": 1}
    noted = installation.noted()
    assert {(one["key"], one["sequence"], one["outcome"]) for one in noted} == {
        (f"hook:{alert(2).id}", 1, "delivered"),
        (f"hook:{alert(2).id}", 2, "delivered"),
        (f"hook:{alert(3).id}", 1, "delivered"),
        (f"json:{alert(3).id}", 1, "delivered"),
    }
    assert SECRET not in str(noted)
    assert installation.receiver.address not in str(noted)


async def test_who_was_told_is_not_told_again_after_a_restart(installation: Installation) -> None:
    """The webhook fails while the other channel is told: the offset stays, and only the one is repeated."""
    installation.receiver.answers["/hook"] = [(503, {})] * 100_000
    installation.publish(alert(1), alert(2))
    first = installation.notifier()
    async with installation.working(first):
        await eventually(lambda: len(installation.noted()) == 2)
        await eventually(lambda: first.deliveries[0].retries > 3)
    assert {one["channel"] for one in installation.noted()} == {"json"}
    assert (await installation.committed())[0] <= 0

    installation.receiver.answers.clear()
    installation.receiver.requests.clear()
    async with installation.working(installation.notifier()):
        await eventually(lambda: len(installation.noted()) == 4)
        await installation.until_committed(lambda offset, _: offset >= 2)
    assert sorted(installation.hooked()) == [("1", 1), ("2", 1)]
    assert Counter(one.path for one in installation.receiver.requests) == {"/hook": 2}


async def test_a_channel_that_hangs_holds_up_no_other(installation: Installation) -> None:
    installation.receiver.held_path = "/hook"
    async with installation.working(installation.notifier(notify_timeout_s=60)):
        installation.publish(*(alert(number) for number in range(5)))
        await eventually(lambda: len(installation.noted()) == 5)
        assert {one["channel"] for one in installation.noted()} == {"json"}
        installation.receiver.hold.set()
        await eventually(lambda: len(installation.noted()) == 10)


async def test_at_its_first_start_it_tells_of_nothing_older_than_an_hour(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.publish(alert(1))
    published = int(time() * 1000)
    await eventually(lambda: time() * 1000 > published + 1)
    installation.publish(alert(2))
    first, second = installation.appended()
    assert first < second
    monkeypatch.setattr(notifier, "time", lambda: second / 1000 + 3600)
    async with installation.working(installation.notifier([{"channel": "hook"}])):
        await eventually(lambda: len(installation.noted()) == 1)
        installation.publish(alert(3))
        await eventually(lambda: len(installation.noted()) == 2)
    assert installation.hooked() == [("2", 1), ("3", 1)]


async def test_what_came_while_it_was_down_is_told_however_old(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with installation.working(installation.notifier([{"channel": "hook"}])):
        installation.publish(alert(1))
        await installation.until_committed(lambda offset, _: offset >= 1)
    installation.publish(alert(2))
    monkeypatch.setattr(notifier, "time", lambda: installation.appended()[1] / 1000 + 7 * 86_400)
    async with installation.working(installation.notifier([{"channel": "hook"}])):
        await eventually(lambda: len(installation.noted()) == 2)
    assert installation.hooked() == [("1", 1), ("2", 1)]


async def test_an_offset_of_another_topic_of_that_name_says_nothing(installation: Installation) -> None:
    """As if the topic had been made anew: what is there now is told."""
    at = aiokafka.TopicPartition(installation.settings.topic(ALERTS.name), 0)
    installation.publish(alert(1))
    consumer = aiokafka.AIOKafkaConsumer(
        bootstrap_servers=installation.settings.kafka_bootstrap,
        group_id=installation.settings.topic("notify"),
        enable_auto_commit=False,
    )
    await consumer.start()
    consumer.assign([at])
    await consumer.commit({at: (2, Progress("another").text())})
    await consumer.stop()
    async with installation.working(installation.notifier([{"channel": "hook"}])):
        await eventually(lambda: installation.hooked() == [("1", 1)])
        await installation.until_committed(lambda _, note: installation.ids[ALERTS.name] in note)


async def test_a_record_of_a_newer_release_is_waited_for(installation: Installation) -> None:
    async with installation.working(installation.notifier([{"channel": "hook"}])) as one:
        installation.publish(alert(1), encode(alert(2, version=2)), alert(3))
        await eventually(one.refused)
        await installation.until_committed(lambda offset, _: offset == 1)
        assert "newer version" in (one.refused() or "")
    assert installation.hooked() == [("1", 1)]


async def test_another_stands_by_and_takes_over(installation: Installation) -> None:
    first, second = (installation.notifier([{"channel": "hook"}]) for _ in range(2))
    async with installation.working(first):
        await eventually(lambda: first.opening() is None)
        async with installation.working(second):
            await eventually(lambda: second.opening() is None)
            installation.publish(alert(1))
            await eventually(lambda: len(installation.noted()) == 1)
    async with installation.working(installation.notifier([{"channel": "hook"}])) as third:
        installation.publish(alert(2))
        await eventually(lambda: len(installation.noted()) == 2)
        assert await third.positions() != {}
    assert installation.hooked() == [("1", 1), ("2", 1)]
