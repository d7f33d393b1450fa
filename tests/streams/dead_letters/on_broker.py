"""Letters on a real broker, and what a plain reader finds after their replay."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from loopin_schemas.codec import encode
from loopin_schemas.dead_letter import DeadLetter
from loopin_streams.dead_letters.replay import Replay, Summary
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.streams.installation import Installation


def put(installation: Installation, letters: Sequence[DeadLetter], **options: Any) -> None:
    """Publish letters, each to its own partition of ``events.dlq``, in order."""
    producer = Producer({"bootstrap.servers": installation.settings.kafka_bootstrap, "linger.ms": 1})
    for one in letters:
        topic = installation.settings.topic("events.dlq")
        producer.produce(topic, encode(one), partition=one.partition, **options)
    assert producer.flush(60) == 0


def replay_of(installation: Installation, **options: Any) -> Replay:
    """A replay that has not run yet."""
    topics = TopicAdmin(installation.settings).describe()
    return Replay(installation.settings, topics, **options)


def replayed(installation: Installation, **options: Any) -> Summary:
    """Run a replay to its end."""
    run = replay_of(installation, **options)
    asyncio.run(run.run())
    return run.summary


def start(installation: Installation, point: str, passing: int, signal_name: str) -> subprocess.Popen[bytes]:
    """A process that replays all, ten a transaction, and gets a signal at a passing of a point."""
    order = {
        "settings": installation.settings.model_dump(include=set(KafkaSettings.model_fields)),
        "point": point,
        "passing": passing,
        "signal": signal_name,
        "letters": 10,
        "fix": str(Path(__file__).with_name("name_the_user.py")),
    }
    script = Path(__file__).with_name("killable_replay.py")
    return subprocess.Popen([sys.executable, str(script), json.dumps(order)])


def raw_events(installation: Installation) -> list[dict[str, Any]]:
    """Every event on ``events.raw``, with its key and partition."""
    return [
        json.loads(record.value() or b"") | {"key": record.key(), "in": number}
        for number, records in enumerate(installation.read("events.raw", decided=True))
        for record in records
    ]


def notes(installation: Installation) -> dict[str, dict[str, Any]]:
    """The records of ``dlq.replayed`` by key; a key that is there twice fails."""
    settings = installation.settings.model_copy(update={"partitions": 1})
    [records] = dataclasses.replace(installation, settings=settings).read("dlq.replayed", decided=True)
    found = {(record.key() or b"").decode(): json.loads(record.value() or b"") for record in records}
    assert len(found) == len(records)
    return found
