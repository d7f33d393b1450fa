"""`loopin notify`: tries channels, lists them without their addresses, and shows what they were told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from loopin_schemas.codec import encode
from loopin_schemas.notification import Notification
from tests.deploy.command_line import Loopin
from tests.sinks.notify.told import SECRET, Receiver, receiving

HIDDEN = "hunter2hunter2"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def file(loopin: Loopin, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of two channels, which ``loopin`` is told of."""
    content = {
        "channels": {
            "hook": {"url": f"webhook+http://{receiver.address}/{HIDDEN}", "secret": SECRET},
            "chat": f"json://user:{HIDDEN}@{receiver.address}/chat",
        },
        "routes": [
            {"channel": "hook"},
            {"channel": "chat", "severities": ["critical"], "dimensions": {"country": ["IN", "LK"]}},
            {"channel": "chat", "enabled": False},
        ],
    }
    path = tmp_path / "notify.json"
    path.write_text(json.dumps(content))
    path.chmod(0o600)
    monkeypatch.setenv("LOOPIN_NOTIFY_FILE", str(path))
    return path


@pytest.mark.parametrize("channel", ["hook", "chat"])
def test_a_channel_that_takes_the_message(
    loopin: Loopin, file: Path, receiver: Receiver, channel: str
) -> None:
    assert loopin("notify", "test", channel) == (0, f"The channel {channel} took the message.\n", "")
    (request,) = receiver.requests
    assert f"This is a test of the channel {channel}: nothing has happened." in request.body.decode()


@pytest.mark.parametrize(("status", "says"), [(404, "it answered 404"), (503, "this time")])
def test_a_channel_that_does_not(
    loopin: Loopin, file: Path, receiver: Receiver, status: int, says: str
) -> None:
    receiver.answers[f"/{HIDDEN}"] = [(status, {})]
    said = loopin("notify", "test", "hook").refused()
    assert says in said
    assert HIDDEN not in said


def test_a_channel_that_is_not_there(loopin: Loopin, file: Path) -> None:
    assert loopin("notify", "test", "x").refused() == "There is no channel x: give one of hook, chat."


def test_without_a_file(loopin: Loopin) -> None:
    for command in (["channels"], ["test", "x"]):
        assert "LOOPIN_NOTIFY_FILE" in loopin("notify", *command).refused()


@pytest.mark.parametrize("command", ["run notify", "run store", "up"])
def test_who_cannot_use_the_file_says_so_before_anything_starts(
    loopin: Loopin, file: Path, command: str
) -> None:
    file.chmod(0o644)
    assert "chmod 600" in loopin(*command.split()).refused()


def test_the_role_without_a_file(loopin: Loopin) -> None:
    assert "LOOPIN_NOTIFY_FILE" in loopin("run", "notify").refused()


def test_channels_are_listed_without_their_addresses(loopin: Loopin, file: Path) -> None:
    ran = loopin("notify", "channels")
    assert ran.code == 0
    assert HIDDEN not in ran.out
    assert SECRET not in ran.out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in ran.out.splitlines() if "│" in line]
    assert rows == [
        ["hook", "webhook+http", "every alert"],
        ["chat", "json", "severities: critical; dimensions: country IN or LK"],
    ]


def test_the_log(loopin: Loopin, broker: str, topic_prefix: str) -> None:
    assert "loopin topics apply" in loopin("notify", "log").refused()
    assert loopin("topics", "apply").code == 0
    producer = Producer({"bootstrap.servers": broker})
    common: dict[str, Any] = {"alert": "shop:r:[bold]x:1", "event": "fired", "project": "shop"}
    sent = [
        Notification(
            channel="a", sequence=1, outcome="delivered", attempts=1, at=1_790_000_000_000, **common
        ),
        Notification(
            channel="b", sequence=1, outcome="failed", attempts=3, reason="it answered 500", at=1, **common
        ),
    ]
    for one in sent:
        producer.produce(f"{topic_prefix}notifications", encode(one), partition=0)
    assert producer.flush(60) == 0

    ran = loopin("notify", "log", "--json")
    assert [one["channel"] for one in json.loads(ran.out)] == ["a", "b"]
    assert json.loads(loopin("notify", "log", "--json", "--limit", "1").out)[0]["channel"] == "b"
    assert json.loads(loopin("notify", "log", "--json", "--channel", "a").out)[0]["channel"] == "a"
    shown = loopin("notify", "log").out
    assert "2026-09-21 14:13:20" in shown
    assert "failed, 3 attempts" in shown
    assert "it answered 500" in shown
    assert "shop:r:[bold]x:1" in shown
