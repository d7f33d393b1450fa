"""The trainer on a broker: what it publishes and tells, and that its state comes back once it is lost."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer

from loopin_deploy.ports import free_port
from loopin_schemas.codec import encode
from loopin_schemas.example import Example
from loopin_streams.kafka.topic_admin import TopicAdmin
from loopin_streams.rebuild.refused import RebuildRefused
from loopin_streams.rebuild.train import RebuiltModels, prepare_train, rebuild_train
from tests.deploy.command_line import clean_environment
from tests.plain_http import ask
from tests.streams.installation import Installation, wait_until
from tests.streams.rebuild import damage
from tests.streams.rebuild.command import environment
from tests.streams.scraped import Scraped
from tests.streams.train.test_absorber import examples, finished


def send(installation: Installation, given: list[Example]) -> None:
    producer = Producer({"bootstrap.servers": installation.settings.kafka_bootstrap})
    for one in given:
        producer.produce(installation.settings.topic("examples"), key=b"demo:attendance", value=encode(one))
    assert producer.flush(60) == 0


def models(installation: Installation) -> dict[str, Any]:
    """What the topic holds, as plain JSON, by key."""
    held: dict[str, Any] = {}
    for message in installation.read_one("models"):
        key, value = (message.key() or b"").decode(), message.value()
        if value is None:
            held.pop(key, None)
        else:
            held[key] = json.loads(value)
    return held


def standing(installation: Installation) -> dict[str, Any]:
    found: dict[str, Any] = models(installation).get("demo:attendance", {}).get("standing", {})
    return found


@contextmanager
def trainer(installation: Installation, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A trainer as a process of its own, until the context ends."""
    variables = environment(installation) | {"LOOPIN_HEALTH_PORT": str(port)}
    with (installation.folder / "trainer.log").open("ab") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "loopin_deploy", "run", "trainer"],
            env=clean_environment(**variables),
            stdout=log,
            stderr=log,
        )
        try:
            yield running
        except BaseException as error:
            error.add_note((installation.folder / "trainer.log").read_text()[-3000:])
            raise
        finally:
            if running.poll() is None:
                running.send_signal(signal.SIGTERM)
            running.wait(60)


def scrape(port: int) -> Scraped:
    status, text = ask(f"http://127.0.0.1:{port}/metrics")
    assert status == 200
    return Scraped.of(text)


async def rebuilt(installation: Installation) -> RebuiltModels:
    topics = {name: info.id for name, info in TopicAdmin(installation.settings).describe().items()}
    await prepare_train(installation.settings)
    return await rebuild_train(installation.settings, topics)


@pytest.mark.scenario
def test_a_trainer_on_a_broker(installation: Installation) -> None:
    port = free_port()
    # An hour of theirs or more lies between any two: however they are read, each batch tells how it stands.
    given = [
        msgspec.structs.replace(
            one, made_at=place * 4_000_000, known_at=place * 4_000_000 + one.known_at - one.made_at
        )
        for place, one in enumerate(examples(420, target="attendance"))
    ]
    # And of sessions, from which something else is learned.
    send(installation, [*given[:300], *finished(520)])
    with trainer(installation, port):
        wait_until(lambda: standing(installation).get("examples") == 300, "300 examples are learned")
        wait_until(lambda: "demo:session" in models(installation), "the sessions are learned")
        first = standing(installation)
        assert first["version"] >= 1
        assert f"demo:attendance:{first['version']}" in models(installation)
        of = {"project": "demo", "target": "attendance"}
        wait_until(lambda: scrape(port).total("loopin_model_examples", **of) == 300, "it is told")
        found = scrape(port)
        assert found.total("loopin_model_newest", **of) == first["version"]
        assert found.total("loopin_models_broken") == 0
        with pytest.raises(RebuildRefused, match="1 trainer runs: stop all trainers first"):
            asyncio.run(rebuilt(installation))
    before = models(installation)

    # Its state is lost: it refuses, and the topic of the examples gives it back.
    damage.write(installation, "train.state", 0, b"m", None)
    with trainer(installation, port) as refused:
        assert refused.wait(300) not in (0, -signal.SIGTERM)
    assert b"loopin state rebuild train" in (installation.folder / "trainer.log").read_bytes()
    done = asyncio.run(rebuilt(installation))
    assert done == RebuiltModels(2, 820, 820)
    again = models(installation)
    # Versions go on counting, and those that there were stay.
    assert before.keys() < again.keys()
    assert again["demo:attendance"]["standing"]["version"] > first["version"]
    sessions, sessions_before = (of["demo:session"]["sessions"] for of in (again, before))
    assert sessions["version"] == sessions_before["version"] + 1
    assert {**sessions, "version": 0} == {**sessions_before, "version": 0}
    told = {name: first[name] for name in ("answers", "champion", "examples", "qualities", "rule")}
    assert {name: standing(installation)[name] for name in told} == told

    send(installation, given[300:])
    with trainer(installation, port):
        wait_until(lambda: standing(installation).get("examples") == 420, "it goes on where it was")
