"""A worker from outside: how it stops, what makes it refuse, and what it says then."""

from __future__ import annotations

import signal
from dataclasses import dataclass

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from loopin_streams.kafka.topic_admin import TopicAdmin

from tests.streams.conftest import Install
from tests.streams.exactly_once import assert_exactly_once, mixed_events
from tests.streams.installation import Found, Installation, Worker, wait_until

EVENTS = 400


def admin(installation: Installation) -> AdminClient:
    return AdminClient({"bootstrap.servers": installation.settings.kafka_bootstrap})


def delete(installation: Installation, *topics: str) -> None:
    names = [installation.settings.topic(topic) for topic in topics]
    client = admin(installation)
    for future in client.delete_topics(names).values():
        future.result(20)


def recreate(installation: Installation, *topics: str) -> None:
    delete(installation, *topics)
    wait_until(lambda: TopicAdmin(installation.settings).apply() and not missing(installation), "topics")


def missing(installation: Installation) -> bool:
    return any(found.kind == "missing" for found in TopicAdmin(installation.settings).differences())


def delete_records(installation: Installation, before: int) -> None:
    """Let the raw log of each partition start at ``before``, as its retention would."""
    topic = installation.settings.topic("events.raw")
    partitions = [TopicPartition(topic, at, before) for at in range(installation.settings.partitions)]
    client = admin(installation)
    for future in client.delete_records(partitions).values():
        future.result(20)


def write_marker(installation: Installation, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": installation.settings.kafka_bootstrap})
    for partition in range(installation.settings.partitions):
        producer.produce(installation.settings.topic("enrich.state"), value, key=b"m", partition=partition)
    assert producer.flush(20) == 0


def absorb_some(*installations: Installation) -> None:
    """Workers that absorb a few events each, and stop."""
    workers = []
    for installation in installations:
        installation.publish(mixed_events(EVENTS))
        workers.append(installation.start())
    for worker, installation in zip(workers, installations, strict=True):
        installation.wait_absorbed(EVENTS)
        assert worker.terminate() == 0


# Stopping.


def test_sigterm_while_a_batch_is_gathered_leaves_it_to_the_next_worker(installation: Installation) -> None:
    installation.publish(mixed_events(EVENTS))
    worker = installation.start(linger_s=60, max_events=100_000)
    wait_until(lambda: worker.opened() == 2, "both partitions are open")
    assert worker.terminate() == 0
    assert installation.absorbed() == 0
    installation.start()
    installation.wait_absorbed(EVENTS)
    assert_exactly_once(installation.read_all())


@pytest.mark.parametrize("point", ["begun", "sent:events.enriched", "before_commit"])
def test_sigterm_within_a_transaction_commits_it_whole_or_not_at_all(
    installation: Installation, point: str
) -> None:
    installation.publish(mixed_events(EVENTS))
    worker = installation.start(point=point, passing=2, signal_name="SIGSTOP")
    wait_until(lambda: worker.stopped, "the worker stands still within a transaction")
    worker.send(signal.SIGTERM)
    worker.send(signal.SIGCONT)
    assert worker.wait() == 0
    installation.start()
    installation.wait_absorbed(EVENTS)
    assert_exactly_once(installation.read_all())


def test_sigterm_while_waiting_for_the_topics_ends_at_once(installation: Installation) -> None:
    delete(installation, "events.raw")
    worker = installation.start()
    wait_until(lambda: "loopin topics apply" in worker.said(), "it says what it waits for")
    assert worker.terminate() == 0


def test_a_worker_waits_for_its_topics(installation: Installation) -> None:
    delete(installation, "events.raw")
    worker = installation.start()
    wait_until(lambda: "loopin topics apply" in worker.said(), "it says what it waits for")
    wait_until(lambda: TopicAdmin(installation.settings).apply() and not missing(installation), "topics")
    installation.publish(mixed_events(EVENTS))
    installation.wait_absorbed(EVENTS)


# Refusing.


def recreated(installation: Installation) -> None:
    recreate(installation, "events.raw")
    installation.publish(mixed_events(EVENTS))


def marker_beyond_log(installation: Installation) -> None:
    topic_id = TopicAdmin(installation.settings).describe()["events.raw"].id
    write_marker(installation, b'{"topic_id":"%s","position":1000000}' % topic_id.encode())


def marker_gone(installation: Installation) -> None:
    recreate(installation, "enrich.state")


def log_starts_after_marker(installation: Installation) -> None:
    installation.publish(mixed_events(EVENTS))
    delete_records(installation, EVENTS * 3 // 4)


def marker_unreadable(installation: Installation) -> None:
    write_marker(installation, b"\xff")


REFUSALS = {
    "deleted and created again": recreated,
    "lies beyond its input log": marker_beyond_log,
    "has no marker": marker_gone,
    "records were removed before they were read": log_starts_after_marker,
    "cannot be read": marker_unreadable,
}


@dataclass
class Refused:
    """What a worker did that was started on an unfit installation."""

    worker: Worker
    before: Found
    after: Found


@pytest.fixture(scope="module")
def refused(install: Install) -> dict[str, Refused]:
    """By reason; side by side, because most of it is waiting for workers to start."""
    installations = {reason: install() for reason in REFUSALS}
    absorb_some(*installations.values())
    before = {}
    for reason, installation in installations.items():
        before[reason] = installation.read_all()
        REFUSALS[reason](installation)
        installation.start()
    found = {}
    for reason, installation in installations.items():
        worker = installation.workers[-1]
        worker.wait()
        found[reason] = Refused(worker, before[reason], installation.read_all())
    return found


@pytest.mark.parametrize("reason", REFUSALS)
def test_a_marker_that_does_not_fit_is_refused_in_one_sentence(
    refused: dict[str, Refused], reason: str
) -> None:
    found = refused[reason]
    assert found.worker.code == 78
    ends = [line for line in found.worker.said().splitlines() if "worker_ends" in line]
    assert reason in ends[0]
    assert "reset the job's" in ends[0]
    assert "Traceback" not in found.worker.said()
    assert (found.after.enriched, found.after.dlq) == (found.before.enriched, found.before.dlq)


def test_records_removed_under_a_running_worker_are_not_passed_over(installation: Installation) -> None:
    absorb_some(installation)
    worker = installation.start()
    wait_until(lambda: worker.opened() == 2, "both partitions are open")
    worker.send(signal.SIGSTOP)
    wait_until(lambda: worker.stopped, "the worker stands still")
    log_starts_after_marker(installation)
    worker.send(signal.SIGCONT)
    assert worker.wait() in (70, 78)
    assert installation.start().wait() == 78
    assert installation.absorbed() == EVENTS


def test_a_topic_recreated_under_a_running_worker_is_refused(installation: Installation) -> None:
    absorb_some(installation)
    worker = installation.start()
    wait_until(lambda: worker.opened() == 2, "both partitions are open")
    recreated(installation)
    installation.publish(mixed_events(3 * EVENTS))
    assert worker.wait() in (70, 78)
    assert installation.start().wait() == 78
    assert installation.absorbed() == EVENTS
