"""What of a broker's absence gets into the program's log."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from confluent_kafka import KafkaError

from loopin_producers import Loopin
from loopin_producers.channel import Channel
from loopin_producers.kafka_log import KafkaLog

DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "3/3 brokers are down")
AWAY = KafkaError(KafkaError._TRANSPORT, "127.0.0.1:1/bootstrap: Connection refused")
LINE = ("%s [%s] %s", "FAIL", "rdkafka#producer-1", "127.0.0.1:1/bootstrap: Connection refused")


def test_an_outage_of_three_brokers_is_a_line_for_each_kind(caplog: pytest.LogCaptureFixture) -> None:
    """librdkafka itself tells of each broker once a second: waited for are four seconds of that."""
    told: list[str] = []
    client = Loopin("127.0.0.1:1,127.0.0.1:2,127.0.0.1:3", "shop")
    client.capture("click", "user-1")
    delivery = client._connection._delivery
    assert delivery is not None
    transport: Any = delivery._transport
    log = transport._channel._log
    say = log.log

    def count(level: int, *line: Any) -> None:
        told.append(str(line))
        say(level, *line)

    log.log = count
    deadline = time.monotonic() + 60
    while len(told) < 12:
        assert time.monotonic() < deadline
        client.flush(0.1)
    client.shutdown(0)
    said = [one.getMessage() for one in caplog.records if one.name == "loopin_producers.kafka"]
    assert sum("Connection refused" in one for one in said) == 1
    assert sum("brokers are down" in one for one in said) == 1
    assert len(said) == 2
    assert all("are not logged." in one for one in said)


def test_each_failure_is_told_once_and_anew_after_a_recovery(caplog: pytest.LogCaptureFixture) -> None:
    log = KafkaLog()

    def outage() -> list[str]:
        caplog.clear()
        for _ in range(3):
            log.log(logging.ERROR, *LINE)
            log.error(AWAY)
            log.error(DOWN)
        return [one.getMessage() for one in caplog.records]

    first = outage()
    assert len(first) == 2
    assert outage() == []
    log.forget()
    assert outage() == first


def test_another_brokers_failure_is_told_again_after_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    """With one of three away events arrive all the time, so nothing else ever ends it."""
    now = 1000.0
    log = KafkaLog(lambda: now)
    another = KafkaError(KafkaError._TRANSPORT, "127.0.0.1:2/2: Connection refused")

    def said() -> list[str]:
        caplog.clear()
        for _ in range(2):
            log.log(logging.WARNING, "%s [%s] %s", "CONFWARN", "rdkafka#producer-1", "no effect")
            log.error(another)
        return [one.getMessage() for one in caplog.records]

    log.error(AWAY)
    log.error(DOWN)
    assert len(said()) == 1, "the warning; the failure has been told"
    now += 3599
    assert said() == []
    now += 1
    assert [one.split(":")[0] for one in said()] == [
        "CONFWARN [rdkafka#producer-1] no effect Further ones (CONFWARN) are not logged.",
        "Kafka",
    ]
    assert said() == []
    assert log.says_down, "that an hour has passed brings no broker back"


def test_other_lines_of_librdkafka_come_once_a_kind_and_its_debug_lines_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = KafkaLog()
    with caplog.at_level(logging.DEBUG, "loopin_producers.kafka"):
        for _ in range(2):
            log.log(logging.WARNING, "%s [%s] %s", "CONFWARN", "rdkafka#producer-1", "no effect")
            log.log(logging.DEBUG, "%s [%s] %s", "CONNECT", "rdkafka#producer-1", "trying")
    assert [one.getMessage() for one in caplog.records] == [
        "CONFWARN [rdkafka#producer-1] no effect Further ones (CONFWARN) are not logged.",
        "CONNECT [rdkafka#producer-1] trying",
        "CONNECT [rdkafka#producer-1] trying",
    ]


def test_what_is_acknowledged_after_an_outage_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one of several brokers away events arrive all the time: it is no news each time one does."""
    channel = Channel({"bootstrap.servers": "127.0.0.1:1"})
    channel.close(0)
    counts = {"delivered": 5}
    monkeypatch.setattr(Channel, "counts", property(lambda _: (0, counts["delivered"], 0)))
    channel._log = KafkaLog()

    def look() -> tuple[bool, bool]:
        channel._look_whether_it_works()
        return "_TRANSPORT" in channel._log._known, channel._log.says_down

    channel._log.error(AWAY)
    assert look() == (True, False)
    counts["delivered"] += 1
    assert look() == (True, False)
    channel._log.error(DOWN)
    counts["delivered"] += 1  # before it was seen that nobody is there
    assert look() == (True, True)
    assert look() == (True, True)
    counts["delivered"] += 1
    assert look() == (False, False)
