"""docs/notifications.md holds: its code, run as it stands there, does what the page says."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from loopin_deploy.kafka import LocalKafka
from loopin_schemas.alert import Alert
from loopin_schemas.codec import encode
from loopin_schemas.topics import ALERTS
from loopin_sinks.notify.channel import open_channel
from loopin_sinks.notify.channels_file import TOLD, Channel, read_channels
from loopin_sinks.notify.webhook import Webhook
from loopin_streams.kafka.outbox import Outbox
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.sinks.notify.told import DEADLINE_S, SECRET, Receiver, Request, alert
from tests.transactions import Out, Transactions

PAGE = (Path(__file__).parents[3] / "docs" / "notifications.md").read_text(encoding="utf-8")
NODE = Path(__file__).parent / "node"


def block(language: str, holding: str) -> str:
    """The one block of a language that holds a text."""
    found = [code for code in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if holding in code]
    (code,) = found
    return str(code)


async def test_the_file_is_one(tmp_path: Path) -> None:
    path = tmp_path / "notify.json"
    path.write_text(block("json", "channels"))
    path.chmod(0o600)
    channels = read_channels(path)
    assert {name: channel.scheme for name, channel in channels.channels.items()} == {
        "ops": "webhook+https",
        "mail": "mailtos",
        "chat": "slack",
    }
    for name, channel in channels.channels.items():
        await open_channel(name, channel, 10).close()
    (events,) = re.findall(r"^\| `events` \| by default (.*) \|$", PAGE, re.MULTILINE)
    assert tuple(re.findall(r"`(\w+)`", events)) == TOLD


def test_the_page_shows_output() -> None:
    assert not re.search(r"\b[A-Z]+_OUTPUT\b", PAGE)


# The signature


async def requests_of(receiver: Receiver) -> Request:
    """A webhook's request as it comes."""
    url = f"webhook+http://{receiver.address}/"
    webhook = Webhook("ops", Channel.model_validate({"url": url, "secret": SECRET}), 30)
    await webhook.deliver(alert(message="S\u00e3o Paulo \U0001f600"))
    await webhook.close()
    return receiver.requests[0]


def cases(request: Request) -> list[tuple[str, str, bytes, int, bool]]:
    """Secret, header, body, tolerance in seconds, and whether that is to be believed."""
    header, body = request.headers["Loopin-Signature"], request.body
    at, hexed = re.findall(r"^t=(\d+),v1=([0-9a-f]{64})$", header)[0]
    ever = 10**9
    return [
        (SECRET, header, body, 600, True),
        (SECRET, f"v1={hexed},t={at}", body, 600, True),
        (SECRET, header, body, ever, True),
        (SECRET, header, body, -1, False),
        (SECRET + "x", header, body, 600, False),
        (SECRET, header, body + b" ", 600, False),
        (SECRET, header, b"", 600, False),
        (SECRET, f"t={int(at) + 1},v1={hexed}", body, ever, False),
        (SECRET, f"t={at},v1={'0' * 64}", body, ever, False),
        (SECRET, f"t={at},v1={hexed[:-1]}", body, ever, False),
        (SECRET, f"t={at},v1=\u00e9", body, ever, False),
        (SECRET, f"t={at}", body, ever, False),
        (SECRET, f"v1={hexed}", body, ever, False),
        (SECRET, "", body, ever, False),
        (SECRET, ",,==,t=,v1=", body, ever, False),
    ]


async def test_a_signature_is_checked_in_python_as_the_page_says(receiver: Receiver) -> None:
    said: dict[str, Any] = {}
    exec(compile(block("python", "def verified"), "docs/notifications.md", "exec"), said)
    for secret, header, body, tolerance_s, right in cases(await requests_of(receiver)):
        assert said["verified"](secret, header, body, tolerance_s) is right, (header, tolerance_s)


async def test_a_signature_is_checked_in_node_as_the_page_says(receiver: Receiver, tmp_path: Path) -> None:
    given = cases(await requests_of(receiver))
    script = tmp_path / "check.cjs"
    script.write_text(
        block("js", "function verified")
        + """
const cases = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(cases.map(([secret, header, body, tolerance]) =>
  verified(secret, header, Buffer.from(body, "hex"), tolerance))));
"""
    )
    ran = await asyncio.to_thread(
        subprocess.run,
        ["node", str(script)],
        input=json.dumps([[secret, header, body.hex(), s] for secret, header, body, s, _ in given]),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == [right for *_, right in given]


# The topic

LIBRARYS_OWN = "{"
"""How lines begin that kafkajs writes of itself."""

ALERTS_SENT = [
    alert(1),
    alert(2, silenced=True),
    alert(1, 2, event="resolved", state="resolved"),
    *(alert(number % 10, number, message="S\u00e3o Paulo") for number in range(3, 40)),
]


@pytest.fixture(scope="module")
def settings(kafka: LocalKafka) -> KafkaSettings:
    """An installation whose topic holds alerts of a transaction, between two that were aborted."""
    found = KafkaSettings(kafka_bootstrap=kafka.bootstrap, topic_prefix="notifications-docs.", partitions=1)
    TopicAdmin(found, [ALERTS]).apply()
    asyncio.run(_write(found))
    return found


async def _write(settings: KafkaSettings) -> None:
    """By the producer that the evaluators write with, which compresses."""
    topic = settings.topic(ALERTS.name)
    aborted = Transactions(settings.kafka_bootstrap, "notifications-docs-aborted")

    def abort() -> None:
        aborted.begin([Out(topic, 0, b"shop:payment_failures", encode(alert(99)))])
        aborted.abort()

    abort()
    outbox = Outbox(settings.kafka_bootstrap, "notifications-docs")
    await outbox.start()
    messages: list[tuple[bytes | None, bytes | None]] = [
        (b"shop:payment_failures", encode(one)) for one in ALERTS_SENT
    ]
    await outbox.commit([(topic, 0, messages)])
    await outbox.stop()
    abort()


def example(language: str, holding: str, settings: KafkaSettings) -> str:
    """The page's consumer, at most ten lines, for the test's broker and topic."""
    code = block(language, holding)
    assert len(code.strip().splitlines()) <= 10
    assert "127.0.0.1:9092" in code
    assert "loopin.alerts" in code
    code = code.replace("127.0.0.1:9092", settings.kafka_bootstrap)
    code = code.replace("my-notifier", settings.topic(language))
    return code.replace("loopin.alerts", settings.topic(ALERTS.name))


@contextmanager
def running(command: list[str], folder: Path) -> Iterator[Callable[[int], list[str]]]:
    """A process; what is yielded waits for so many lines of its."""
    written, errors = folder / "out.txt", folder / "errors.txt"
    with written.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err)

        def said() -> list[str]:
            written_now = written.read_text(encoding="utf-8").splitlines()
            return [line for line in written_now if not line.startswith(LIBRARYS_OWN)]

        def lines(number: int) -> list[str]:
            deadline = time.monotonic() + DEADLINE_S
            while len(found := said()) < number:
                assert process.poll() is None, errors.read_text()
                assert time.monotonic() < deadline, errors.read_text()
                time.sleep(0.05)
            return found

        try:
            yield lines
        finally:
            process.kill()
            process.wait()


def printed(alerts: list[Alert]) -> list[str]:
    return [f"{one.id} {one.sequence} {one.event} {one.message}" for one in alerts if not one.silenced]


def test_the_consumer_in_python(settings: KafkaSettings, tmp_path: Path) -> None:
    script = tmp_path / "consumer.py"
    script.write_text(example("python", "Consumer", settings), encoding="utf-8")
    with running([sys.executable, "-X", "utf8", str(script)], tmp_path) as lines:
        assert lines(len(printed(ALERTS_SENT))) == printed(ALERTS_SENT)


def test_the_consumer_in_node(settings: KafkaSettings, tmp_path: Path) -> None:
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(NODE / name, tmp_path)
    subprocess.run(["npm", "ci"], cwd=tmp_path, check=True, capture_output=True, timeout=600)
    script = tmp_path / "consumer.js"
    script.write_text(example("js", "kafkajs", settings), encoding="utf-8")
    with running(["node", str(script)], tmp_path) as lines:
        assert lines(len(printed(ALERTS_SENT))) == printed(ALERTS_SENT)
