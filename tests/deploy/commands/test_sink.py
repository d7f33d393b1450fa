"""`loopin sink accept-loss`: what it shows, asks and changes. What the sinks then do is tested with them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata
from confluent_kafka import Producer
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient

from loopin_deploy.data_folder import open_data_folder
from loopin_schemas.topics import ENRICHED
from loopin_sinks.progress import Progress
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.deploy.command_line import Loopin

ASKED = "Go on without what was lost there?"


@pytest.fixture(autouse=True)
def own_log_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test run's stay."""
    monkeypatch.setattr("loopin_deploy.commands.sink.configure_logs", lambda level: None)


@pytest.fixture
def lossy(loopin: Loopin, broker: str) -> KafkaSettings:
    """Two partitions of 10 enriched records, 3 of them stored; the first 6 of partition 1 are deleted."""
    assert loopin("topics", "apply").code == 0
    settings = KafkaSettings()
    topic, topic_id = settings.topic(ENRICHED.name), TopicAdmin(settings).describe()[ENRICHED.name].id
    producer = Producer({"bootstrap.servers": broker})
    for number in range(20):
        producer.produce(topic, b"{}", partition=number % 2)
    assert producer.flush(30) == 0
    note = OffsetAndMetadata(3, Progress(topic_id).text())
    asyncio.run(consumer_of(settings, {TopicPartition(topic, number): note for number in range(2)}))
    admin = AdminClient({"bootstrap.servers": broker})
    for done in admin.delete_records([Place(topic, 1, 6)]).values():
        done.result(30)
    return settings


async def consumer_of(
    settings: KafkaSettings, notes: dict[TopicPartition, OffsetAndMetadata] | None = None
) -> list[int | None]:
    """Where the sinks' group is in both partitions, once these notes are committed."""
    places = [TopicPartition(settings.topic(ENRICHED.name), number) for number in range(2)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=settings.topic("clickhouse"),
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        consumer.assign(places)
        if notes:
            await consumer.commit(notes)
        return [await consumer.committed(at) for at in places]
    finally:
        await consumer.stop()


def test_it_says_what_was_lost_and_goes_on_behind_it(loopin: Loopin, lossy: KafkaSettings) -> None:
    ran = loopin("sink", "accept-loss", "--yes")

    assert ran.code == 0, ran
    (reason,) = ran.err.splitlines()
    assert reason.startswith("Partition 1: The sink has come to offset 3 of partition 1 of ")
    assert "which holds 6 to 10: records were lost" in reason
    assert ran.out == "Partition 1 goes on at offset 6.\n"
    assert asyncio.run(consumer_of(lossy)) == [3, 6]
    again = loopin("sink", "accept-loss", "--yes")
    assert again == (0, "The sinks refuse no partition: there is nothing to accept.\n", "")


def test_it_asks_and_changes_nothing_without_a_yes(
    loopin: Loopin, lossy: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def no(text: str, **_: object) -> None:
        asked.append(text)
        raise SystemExit(1)

    monkeypatch.setattr("typer.confirm", no)

    ran = loopin("sink", "accept-loss")

    assert (ran.code, ran.out, asked) == (1, "", [ASKED])
    assert ran.err.startswith("Partition 1: ")
    assert asyncio.run(consumer_of(lossy)) == [3, 3]


def test_sinks_that_run_are_to_be_stopped_first(
    loopin: Loopin, lossy: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopin_sinks.accept_loss.members", lambda *_: 1)

    ran = loopin("sink", "accept-loss", "--yes")

    assert ran.code == 1
    assert ran.err.splitlines()[-1].startswith("Error: A sink runs, or ended without a word")
    assert asyncio.run(consumer_of(lossy)) == [3, 3]


def test_a_system_that_runs_is_to_be_stopped_first(broker: str, loopin: Loopin, tmp_path: Path) -> None:
    with open_data_folder(tmp_path / "data"):
        sentence = loopin("sink", "accept-loss", "--yes").refused()
    assert f"in use by process {os.getpid()}" in sentence


def test_a_missing_topic_is_named(broker: str, topic_prefix: str, loopin: Loopin) -> None:
    sentence = loopin("sink", "accept-loss", "--yes").refused()
    assert sentence == f"The topic {topic_prefix}events.enriched does not exist: run `loopin topics apply`."


def test_without_a_broker_it_says_how_to_start_one(nobody: str, loopin: Loopin) -> None:
    assert "loopin kafka start" in loopin("sink", "accept-loss", "--yes").refused()
