"""A worker from outside: how it stops, what makes it refuse, and what it says then."""

from __future__ import annotations

import signal
from dataclasses import dataclass

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from loopin_schemas.topics import TOPICS
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.topic_admin import TopicAdmin, TopicInfo
from loopin_streams.settings import StreamSettings
from loopin_streams.worker import check_partitions
from tests.streams.conftest import Run, Scenario
from tests.streams.exactly_once import assert_exactly_once, mixed_events
from tests.streams.installation import Installation, wait_until

EVENTS = 400


def admin(installation: Installation) -> AdminClient:
    return AdminClient({"bootstrap.servers": installation.settings.kafka_bootstrap})


def delete(installation: Installation, *topics: str) -> None:
    names = [installation.settings.topic(topic) for topic in topics]
    client = admin(installation)
    for future in client.delete_topics(names).values():
        future.result(20)
    topic_admin = TopicAdmin(installation.settings)
    wait_until(lambda: not topic_admin.describe().keys() & set(topics), "the topics are gone")


def recreate(installation: Installation, *topics: str) -> None:
    delete(installation, *topics)
    TopicAdmin(installation.settings).apply()


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


def absorb_some(installation: Installation) -> None:
    """A worker that absorbs a few events, and stops."""
    installation.publish(mixed_events(EVENTS))
    worker = installation.start()
    installation.wait_absorbed(EVENTS)
    assert worker.terminate() == 0


# Topics that do not fit together.


def described(**partitions: int) -> dict[str, TopicInfo]:
    """Topics with two partitions each, or as many as said here."""
    return {
        topic.name: TopicInfo(topic.name, partitions.get(topic.name.replace(".", "_"), 2)) for topic in TOPICS
    }


def test_topics_of_the_raw_logs_partitions_must_have_as_many() -> None:
    settings = StreamSettings(topic_prefix="p.")
    check_partitions(settings, described(dlq_replayed=1, alerts=1))
    with pytest.raises(
        RefusedToOpen, match=r"p\.profiles has 3 partitions and p\.events\.raw has 2"
    ) as refusal:
        check_partitions(settings, described(profiles=3))
    assert refusal.value.code == "partitions_changed"
    with pytest.raises(RefusedToOpen):
        check_partitions(settings, described(events_raw=3))


# Stopping.


def sigterm_while_a_batch_is_gathered_leaves_it_to_the_next_worker(installation: Installation) -> None:
    installation.publish(mixed_events(EVENTS))
    worker = installation.start(linger_s=60, max_events=100_000)
    wait_until(lambda: worker.opened() >= 2, "both partitions are open")
    assert worker.terminate() == 0
    assert installation.absorbed() == 0
    installation.start()
    installation.wait_absorbed(EVENTS)
    assert_exactly_once(installation.settled())


@dataclass(frozen=True)
class ToldToStop:
    """SIGTERM arrives while a transaction is under way: it commits whole or not at all."""

    point: str

    def __call__(self, installation: Installation) -> None:
        installation.publish(mixed_events(EVENTS))
        worker = installation.start(point=self.point, passing=2, signal_name="SIGSTOP")
        wait_until(lambda: worker.stopped, "the worker stands still within a transaction")
        worker.send(signal.SIGTERM)
        worker.send(signal.SIGCONT)
        assert worker.wait() == 0
        installation.start()
        installation.wait_absorbed(EVENTS)
        assert_exactly_once(installation.settled())


def sigterm_while_waiting_for_the_topics_ends_at_once(installation: Installation) -> None:
    delete(installation, "events.raw")
    worker = installation.start()
    wait_until(lambda: "loopin topics apply" in worker.said(), "it says what it waits for")
    assert worker.terminate() == 0


def a_worker_waits_for_its_topics(installation: Installation) -> None:
    delete(installation, "events.raw")
    worker = installation.start()
    wait_until(lambda: "loopin topics apply" in worker.said(), "it says what it waits for")
    TopicAdmin(installation.settings).apply()
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


@dataclass(frozen=True)
class Refused:
    """A worker started after ``unfit`` ends with code 78 and one sentence, and writes nothing."""

    unfit: Scenario
    code: str
    sentence: str
    advice: str = "stop the workers and run `loopin state rebuild enrich`"

    def __call__(self, installation: Installation) -> None:
        absorb_some(installation)
        before = installation.read_all()
        self.unfit(installation)
        worker = installation.start()
        assert worker.wait() == 78
        ends = [line for line in worker.said().splitlines() if "worker_ends" in line]
        assert self.sentence in ends[0]
        assert self.advice in ends[0]
        assert f"code={self.code} " in ends[0]
        assert "Traceback" not in worker.said()
        after = installation.read_all()
        assert (after.enriched, after.dlq, after.seen) == (before.enriched, before.dlq, before.seen)
        assert (after.profiles, after.windows) == (before.profiles, before.windows)


def records_removed_under_a_running_worker_are_not_passed_over(installation: Installation) -> None:
    absorb_some(installation)
    worker = installation.start()
    wait_until(lambda: worker.opened() >= 2, "both partitions are open")
    worker.send(signal.SIGSTOP)
    # Once the group has let it go, its last fetch is answered: one that waits would be answered with what
    # is published now, and nothing would be missing.
    wait_until(lambda: installation.members() == 0, "the broker has given the worker up")
    log_starts_after_marker(installation)
    worker.send(signal.SIGCONT)
    assert worker.wait() in (70, 78)
    assert installation.start().wait() == 78
    assert installation.absorbed() == EVENTS


def a_topic_recreated_under_a_running_worker_is_refused(installation: Installation) -> None:
    absorb_some(installation)
    worker = installation.start()
    wait_until(lambda: worker.opened() >= 2, "both partitions are open")
    recreated(installation)
    installation.publish(mixed_events(3 * EVENTS))
    assert worker.wait() in (70, 78)
    assert installation.start().wait() == 78
    assert installation.absorbed() == EVENTS


SCENARIOS: dict[str, Scenario] = {
    "told to stop while a batch is gathered": sigterm_while_a_batch_is_gathered_leaves_it_to_the_next_worker,
    "told to stop once begun": ToldToStop("begun"),
    "told to stop once sent": ToldToStop("sent:events.enriched"),
    "told to stop before the commit": ToldToStop("before_commit"),
    "told to stop while it waits for topics": sigterm_while_waiting_for_the_topics_ends_at_once,
    "waits for its topics": a_worker_waits_for_its_topics,
    "topic recreated": Refused(recreated, "topic_recreated", "deleted and created again"),
    "marker beyond log": Refused(marker_beyond_log, "marker_beyond_log", "lies beyond its input log"),
    "marker gone": Refused(marker_gone, "marker_missing", "but no marker, so its state was lost"),
    "log starts after marker": Refused(
        log_starts_after_marker, "log_starts_after_marker", "records were removed before they were read"
    ),
    "marker unreadable": Refused(
        marker_unreadable, "marker_unreadable", "cannot be read", "run `loopin state rebuild`"
    ),
    "records removed while it runs": records_removed_under_a_running_worker_are_not_passed_over,
    "topic recreated while it runs": a_topic_recreated_under_a_running_worker_is_refused,
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_a_worker(side_by_side: Run, scenario: Scenario) -> None:
    side_by_side(scenario)
