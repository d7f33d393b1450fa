from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from importlib.metadata import version
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from aiokafka.partitioner import murmur2
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from loopin_producers import EventRefused, InvalidConfiguration, Loopin, LoopinError, Stats
from loopin_producers.kafka_transport import KafkaTransport
from loopin_producers.spool import SpooledRecord
from loopin_schemas import InvalidEvent
from loopin_schemas.validation import decode_event

from .conftest import PARTITIONS, Broker, ReadAll

NOBODY = "127.0.0.1:1"
"""Nothing listens on TCP port 1."""


class User(str, Enum):  # noqa: UP042 - StrEnum formats itself as its value
    """Formats itself as ``User.ANN``, and is encoded as ``user-17``."""

    ANN = "user-17"


class Text(str):
    pass


class Millis(int):
    pass


class Named(UUID):
    def __str__(self) -> str:
        return "a name"


class NotATime(datetime):
    """As pandas' NaT: a datetime by its type only."""

    def __sub__(self, other: Any) -> Any:
        raise ValueError("not a time")


@pytest.fixture
def client(kafka: Broker, raw_topic: str, topic_prefix: str) -> Loopin:
    return Loopin(kafka.bootstrap, "shop", topic_prefix=topic_prefix)


def test_event_arrives_whole(client: Loopin, raw_topic: str, read_all: ReadAll) -> None:
    before = time.time_ns() // 1_000_000
    uuid = client.capture(
        "ticket_purchased",
        "user-17",
        {"amount": 25.5, "seats": [1, 2]},
        timestamp=datetime(2026, 1, 2, 3, 4, 5, 678_000),
        groups={"community": "c1"},
        session_id="s1",
        source="signal",
        parent_uuid=UUID(int=7),
    )
    assert client.shutdown() == 0
    (record,) = read_all(1)
    assert record.topic() == raw_topic
    assert record.key() == b"shop:user-17"
    assert record.headers() is None
    body = json.loads(record.value() or b"")
    assert before <= body.pop("queued_at") <= time.time_ns() // 1_000_000
    assert body == {
        "project": "shop",
        "event": "ticket_purchased",
        "distinct_id": "user-17",
        "uuid": uuid,
        "timestamp": int(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp() * 1000) + 678,
        "session_id": "s1",
        "properties": {
            "amount": 25.5,
            "seats": [1, 2],
            "$groups": {"community": "c1"},
            "$lib": "loopin-python",
            "$lib_version": version("loopin-analytics"),
        },
        "source": "signal",
        "parent_uuid": str(UUID(int=7)),
    }
    assert decode_event(record.value() or b"").uuid == uuid
    assert UUID(str(uuid)).version == 7


def test_partition_is_the_java_clients_and_order_holds(client: Loopin, read_all: ReadAll) -> None:
    users = [f"user-{number}" for number in range(40)] + ["ünal", "李"]
    for turn in range(20):
        for user in users:
            client.capture("click", user, {"turn": turn})
    client.shutdown()
    records = read_all(20 * len(users))
    seen: dict[bytes, list[int]] = {}
    for record in records:
        key = record.key() or b""
        assert record.partition() == (murmur2(key) & 0x7FFFFFFF) % PARTITIONS
        seen.setdefault(key, []).append(json.loads(record.value() or b"")["properties"]["turn"])
    assert all(turns == list(range(20)) for turns in seen.values())
    assert len(seen) == len(users)


def test_identify_sets_profile_properties(client: Loopin, read_all: ReadAll) -> None:
    client.identify("user-1", {"plan": "gold"})
    client.shutdown()
    body = json.loads(read_all(1)[0].value() or b"")
    assert (body["event"], body["properties"]["$set"]) == ("$identify", {"plan": "gold"})


def test_delivery_is_reported_with_the_records_place(
    kafka: Broker, raw_topic: str, topic_prefix: str, read_all: ReadAll
) -> None:
    places: dict[str, tuple[int, int]] = {}

    def note(uuid: str, partition: int, offset: int) -> None:
        places[uuid] = (partition, offset)

    with Loopin(kafka.bootstrap, "shop", topic_prefix=topic_prefix, on_delivery=note) as client:
        for number in range(50):
            client.capture("click", f"user-{number}")
        assert client.flush(20) == 0
        assert len(places) == 50
        assert client.stats() == Stats(queued=0, delivered=50, failed=0, dropped=0)
    actual = {
        json.loads(record.value() or b"")["uuid"]: (record.partition(), record.offset())
        for record in read_all(50)
    }
    assert places == actual
    assert client.stats().delivered == 50


def test_callback_that_raises_is_logged_and_harmless(
    kafka: Broker, raw_topic: str, topic_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(uuid: str, partition: int, offset: int) -> None:
        raise RuntimeError("callback")

    with Loopin(kafka.bootstrap, "shop", topic_prefix=topic_prefix, on_delivery=fail) as client:
        client.capture("click", "user-1")
        client.capture("click", "user-1")
        assert client.flush(20) == 0
    assert client.stats() == Stats(0, 2, 0, 0)
    assert sum("callback raised" in record.message for record in caplog.records) == 2


def test_forked_children_publish_for_themselves(client: Loopin, read_all: ReadAll) -> None:
    client.capture("parent", "user-0")  # the parent's producer and thread exist, perhaps mid-send
    children = []
    for number in range(1, 3):
        child = os.fork()
        if child == 0:
            client.capture("child", f"user-{number}")
            os._exit(0 if client.flush(20) == 0 and client.stats() == Stats(0, 1, 0, 0) else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    client.capture("parent", "user-0")
    assert client.shutdown() == 0
    names = sorted(json.loads(record.value() or b"")["event"] for record in read_all(4))
    assert names == ["child", "child", "parent", "parent"]


EXITS = {
    "plain": "client.capture('click', 'user-1')",
    "forked": (
        "client.capture('click', 'user-1')\n"
        "import os, sys\n"
        "if (child := os.fork()) == 0:\n"
        "    client.capture('click', 'user-2')\n"
        "    sys.exit(0)\n"
        "os.waitpid(child, 0)"
    ),
    "multiprocessing": (
        "from multiprocessing import get_context\n"
        "child = get_context('fork').Process(target=client.capture, args=('click', 'user-1'))\n"
        "child.start(); child.join()"
    ),
}


@pytest.mark.parametrize(("kind", "expected"), [("plain", 1), ("forked", 2), ("multiprocessing", 1)])
def test_end_of_the_process_flushes(
    kafka: Broker, topic_prefix: str, read_all: ReadAll, kind: str, expected: int
) -> None:
    script = (
        "from loopin_producers import Loopin\n"
        f"client = Loopin({kafka.bootstrap!r}, 'shop', topic_prefix={topic_prefix!r})\n{EXITS[kind]}\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert len(read_all(expected)) == expected


def test_fatal_error_replaces_the_producer(client: Loopin, read_all: ReadAll) -> None:
    client.capture("before", "user-1")
    client.flush(20)
    delivery = client._connection._delivery
    assert delivery is not None
    transport = delivery._transport
    assert isinstance(transport, KafkaTransport)
    channel = transport._channel
    spent = channel._producer
    channel._fatal.set()
    deadline = time.monotonic() + 180
    while channel._producer is spent:
        assert time.monotonic() < deadline, "the spent producer is still in use"
        time.sleep(0.02)
    client.capture("after", "user-1")
    assert client.shutdown() == 0
    assert len(read_all(2)) == 2


def test_broker_down_never_raises_nor_waits_for_it() -> None:
    errors: list[LoopinError] = []
    client = Loopin(NOBODY, "shop", on_error=errors.append, spool=False)
    uuids = [str(client.capture("click", "user-1")) for _ in range(1000)]
    # None was waited for: all are still on their way.
    assert client.stats() == Stats(1000, 0, 0, 0)
    assert client.flush(0.2) == 1000
    assert client.stats() == Stats(1000, 0, 0, 0)
    assert client.shutdown(0.1) == 1000
    assert client.stats() == Stats(0, 0, 1000, 0)
    assert {error.code for error in errors} == {"delivery_failed"}
    assert sorted(str(error.uuid) for error in errors) == sorted(uuids)


def test_undelivered_events_time_out_into_on_error() -> None:
    errors: list[LoopinError] = []
    client = Loopin(NOBODY, "shop", on_error=errors.append, config={"message.timeout.ms": 300}, spool=False)
    uuid = client.capture("click", "user-1")
    assert client.flush(20) == 0
    assert [(error.uuid, getattr(error, "kafka_error", "")) for error in errors] == [(uuid, "_MSG_TIMED_OUT")]
    client.shutdown(0)


def test_full_queue_drops_and_reports() -> None:
    errors: list[LoopinError] = []
    client = Loopin(NOBODY, "shop", on_error=errors.append, max_queue_size=5, spool=False)
    uuids = [client.capture("click", "user-1") for _ in range(8)]
    assert [(error.code, error.uuid) for error in errors] == [("queue_full", uuid) for uuid in uuids[5:]]
    assert client.dropped == 3
    assert client.stats() == Stats(5, 0, 0, 3)
    client.shutdown(0)


def test_error_callback_that_raises_stays_inside(caplog: pytest.LogCaptureFixture) -> None:
    def fail(error: LoopinError) -> None:
        raise RuntimeError("callback")

    client = Loopin(NOBODY, "shop", on_error=fail, max_queue_size=1, spool=False)
    client.capture("click", "user-1")
    client.capture("click", "user-1")
    assert client.dropped == 1
    client.shutdown(0)
    assert any("on_error raised" in record.message for record in caplog.records)


def test_capture_after_shutdown_is_dropped() -> None:
    errors: list[LoopinError] = []
    client = Loopin(NOBODY, "shop", on_error=errors.append, spool=False)
    client.shutdown(0)
    assert client.shutdown(0) == 0
    client.capture("click", "user-1")
    assert [error.code for error in errors] == ["client_closed"]
    assert client.stats() == Stats(0, 0, 0, 1)


def test_capture_after_a_shutdown_that_lost_events_is_dropped() -> None:
    client = Loopin(NOBODY, "shop", spool=False)
    client.capture("click", "user-1")
    assert client.shutdown(0) == 1
    client.capture("click", "user-1")
    assert client.stats() == Stats(0, 0, 1, 1)
    assert client.flush(0) == client.shutdown(0) == 0


def test_kafka_log_lines_go_to_logging_not_to_stderr() -> None:
    script = (
        "import logging, time\n"
        "from loopin_producers import Loopin\n"
        f"client = Loopin({NOBODY!r}, 'shop')\n"
        "client.capture('click', 'user-1'); client.flush(1); client.shutdown(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=True)
    assert done.stderr == b""


def test_kafka_log_lines_reach_the_programs_logging(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with caplog.at_level(logging.INFO, "loopin_producers.kafka"):
        client = Loopin(f"127.0.0.1:{port}", "shop")
        client.capture("click", "user-1")
        deadline = time.monotonic() + 60
        while not (said := [r for r in caplog.records if str(port) in r.getMessage()]):
            assert time.monotonic() < deadline, caplog.text
            client.flush(0.1)
        client.shutdown(0)
    assert said


def test_capture_from_a_delivery_callback_and_many_threads(
    kafka: Broker, raw_topic: str, topic_prefix: str, read_all: ReadAll
) -> None:
    def follow_up(uuid: str, partition: int, offset: int) -> None:
        if uuid == first:
            client.capture("follow_up", "user-1", parent_uuid=uuid)
            client.flush(5)  # from a callback it must not wait for itself

    first = str(UUID(int=1))
    with Loopin(kafka.bootstrap, "shop", topic_prefix=topic_prefix, on_delivery=follow_up) as client:
        client.capture("first", "user-1", uuid=first)
        threads = [
            threading.Thread(target=lambda: [client.capture("click", "u") for _ in range(100)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.flush(20) == 0
    assert len(read_all(402)) == 402


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"event": ""}, "event"),
        ({"event": 5}, "event"),
        ({"event": "x" * 201}, "event"),
        ({"event": ["click"]}, "event"),
        ({"properties": "text"}, "properties"),
        ({"uuid": 17}, "uuid"),
        ({"groups": ["a"]}, "groups"),
        ({"properties": [1], "groups": {"a": "b"}}, "properties"),
        ({"source": "browser"}, "source"),
        ({"source": ["sdk"]}, "source"),
    ],
)
def test_wrong_arguments_raise_a_clear_error(arguments: dict[str, Any], field: str) -> None:
    client = Loopin(NOBODY, "shop", disabled=True)
    with pytest.raises(InvalidEvent) as caught:
        client.capture(**{"event": "click", "distinct_id": "user-1", **arguments})
    assert caught.value.field == field
    assert caught.value.code
    assert caught.value.reason.endswith(".")


@pytest.mark.parametrize(
    ("arguments", "problem", "field"),
    [
        ({"distinct_id": "undefined"}, "distinct_id_forbidden", "distinct_id"),
        ({"distinct_id": {"id": 17}}, "wrong_type", "distinct_id"),
        ({"distinct_id": True}, "wrong_type", "distinct_id"),
        ({"distinct_id": 17.0}, "wrong_type", "distinct_id"),
        ({"distinct_id": Decimal(17)}, "wrong_type", "distinct_id"),
        ({"distinct_id": np.float64("nan")}, "wrong_type", "distinct_id"),
        ({"session_id": ["s"]}, "wrong_type", "session_id"),
        ({"distinct_id": 0}, "distinct_id_forbidden", "distinct_id"),
        ({"distinct_id": ""}, "distinct_id_empty", "distinct_id"),
        ({"properties": {"x": float("nan")}}, "number_not_finite", "properties.x"),
        ({"properties": {"x": "y" * 33_000}}, "properties_too_large", "properties"),
        ({"properties": {"x": {None: 1}}}, "wrong_type", "properties.x"),
        ({"properties": {"x": 10**400}}, "number_out_of_range", "properties.x"),
        ({"timestamp": "yesterday"}, "timestamp_invalid", "timestamp"),
        ({"timestamp": True}, "timestamp_invalid", "timestamp"),
        ({"timestamp": datetime(1900, 1, 1)}, "timestamp_out_of_range", "timestamp"),
        ({"timestamp": "2200-01-01"}, "timestamp_out_of_range", "timestamp"),
        ({"timestamp": NotATime(2026, 1, 2, tzinfo=UTC)}, "timestamp_invalid", "timestamp"),
        ({"timestamp": 10**400}, "timestamp_invalid", "timestamp"),
        ({"uuid": "17"}, "uuid_invalid", "uuid"),
        ({"parent_uuid": "x"}, "uuid_invalid", "parent_uuid"),
        ({"session_id": ""}, "session_id_empty", "session_id"),
    ],
)
def test_data_beyond_its_limits_is_dropped_and_told_but_breaks_no_caller(
    arguments: dict[str, Any], problem: str, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[LoopinError] = []
    drops: list[tuple[int, str]] = []
    client = Loopin(
        NOBODY, "shop", disabled=True, on_error=errors.append, on_drop=lambda *told: drops.append(told)
    )
    for _ in range(2):
        assert client.capture(**{"event": "click", "distinct_id": "user-1", **arguments}) is None
    for error in errors:
        assert isinstance(error, EventRefused)
        assert (error.code, error.problem, error.field) == ("invalid_event", problem, field)
        assert error.reason.endswith(".")
    assert (len(errors), drops, client.dropped) == (2, [(1, "invalid_event")] * 2, 2)
    (said,) = [one for one in caplog.records if errors[0].reason in one.getMessage()]
    assert f"Further ones (invalid_event {problem})" in said.getMessage()


@pytest.mark.parametrize("seconds", [1_798_761_600, 1_798_761_600.25])
def test_a_time_in_seconds_is_the_moment_that_python_means_by_it(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    client, sent = Loopin(NOBODY, "shop"), []
    monkeypatch.setattr(client._connection, "deliver", lambda one: sent.append(json.loads(one.value)))
    client.capture("click", "user-1", timestamp=seconds)
    client.capture("click", "user-1", timestamp=datetime.fromtimestamp(seconds, UTC))
    client.capture("click", "user-1", timestamp=seconds * 1000)
    assert [one["timestamp"] for one in sent] == [sent[1]["timestamp"]] * 3


@pytest.mark.parametrize(
    "timestamp",
    [datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2), "2026-01-02T00:00:00Z", 1_767_312_000_000],
)
def test_timestamps_in_every_form_are_the_same_moment(timestamp: Any) -> None:
    built = Loopin(NOBODY, "shop", disabled=True).build("click", "user-1", timestamp=timestamp)
    assert built.timestamp == 1_767_312_000_000


def test_subclasses_of_text_and_numbers_are_what_they_stand_for(monkeypatch: pytest.MonkeyPatch) -> None:
    records: list[tuple[bytes | None, dict[str, Any]]] = []
    client = Loopin(NOBODY, Text("shop"))

    def keep(record: SpooledRecord) -> None:
        records.append((record.key, json.loads(record.value)))

    monkeypatch.setattr(client._connection, "deliver", keep)
    client.capture(
        Text("click"),
        User.ANN,
        {"x": Text("y")},
        timestamp=Millis(time.time_ns() // 1_000_000),
        uuid=Text(UUID(int=5)),
        parent_uuid=Named(int=6),
        session_id=Text("s"),
        source=Text("api"),  # type: ignore[arg-type]
        groups={Text("a"): Text("b")},
    )
    ((key, body),) = records
    assert key == b"shop:user-17"
    assert (body["project"], body["event"], body["distinct_id"]) == ("shop", "click", "user-17")
    assert (body["uuid"], body["session_id"], body["source"]) == (str(UUID(int=5)), "s", "api")
    assert body["parent_uuid"] == UUID.__str__(UUID(int=6))
    assert body["properties"].items() >= {"x": "y", "$groups": {"a": "b"}}.items()


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPIN_PROJECT", "from-env")
    monkeypatch.setenv("LOOPIN_TOPIC_PREFIX", "env.")
    monkeypatch.setenv("LOOPIN_KAFKA_BOOTSTRAP", "broker:1")
    client = Loopin()
    assert (client.project, client.topic, client.disabled) == ("from-env", "env.events.raw", False)
    assert client._config["bootstrap.servers"] == "broker:1"
    monkeypatch.setenv("ANALYTICS_ENABLED", "false")
    assert Loopin().disabled
    monkeypatch.setenv("LOOPIN_ENABLED", "true")
    assert not Loopin().disabled
    assert Loopin(disabled=True).disabled


def test_disabled_client_checks_but_publishes_nothing() -> None:
    client = Loopin(NOBODY, disabled=True)
    assert UUID(str(client.capture("click", "user-1")))
    assert client.flush(0) == 0
    assert client.stats() == Stats(0, 0, 0, 0)


def test_missing_project_and_unusable_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOOPIN_PROJECT", raising=False)
    with pytest.raises(InvalidEvent, match="LOOPIN_PROJECT"):
        Loopin(NOBODY)
    for config in (
        {"no.such.option": "1"},
        {"partitioner": "random"},
        {"acks": "1"},
        {"enable.idempotence": False},
    ):
        with pytest.raises(InvalidConfiguration):
            Loopin(NOBODY, "shop", config=config)
    with pytest.raises(InvalidConfiguration):
        Loopin(NOBODY, "shop", max_queue_size=0)
    Loopin(NOBODY, "shop", config={"acks": -1, "enable.idempotence": "true"})


def test_a_record_may_go_to_another_topic(
    client: Loopin, kafka: Broker, topic_prefix: str, read_all: ReadAll
) -> None:
    name = f"{topic_prefix}alerts"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    settled: list[tuple[Any, ...]] = []
    for value in (b"1", b"2"):
        client.publish_record(b"shop:test", value, lambda *said: settled.append(said), topic="alerts")
    assert client.flush(60) == 0
    client.shutdown()
    assert settled == [(None, 0, 0), (None, 0, 1)]
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "unused"})
    consumer.assign([TopicPartition(name, 0, 0)])
    found = consumer.consume(2, 60)
    consumer.close()
    assert [(record.key(), record.value()) for record in found] == [
        (b"shop:test", b"1"),
        (b"shop:test", b"2"),
    ]
    assert read_all(0) == []
