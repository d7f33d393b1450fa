"""The topic table: what each topic keeps, and for how long."""

from __future__ import annotations

import re

import pytest

from loopin_schemas import DeadLetter, EnrichedEvent, Event
from loopin_schemas.alert import Alert
from loopin_schemas.anomaly import Anomaly
from loopin_schemas.config import ConfigRecord
from loopin_schemas.dead_letter import Replayed
from loopin_schemas.example import Example
from loopin_schemas.identity import LinkRequest, Person, PersonMerge
from loopin_schemas.insight import InsightRecord
from loopin_schemas.model import ModelRecord
from loopin_schemas.notification import Notification
from loopin_schemas.profile import Profile
from loopin_schemas.topics import (
    ALERTS,
    CONFIG,
    DAY,
    DLQ,
    ENRICH_STATE,
    HOUR,
    MERGE_STATE,
    METRICS,
    NOTIFICATIONS,
    PROFILES,
    RAW,
    REPLAYED,
    SEEN,
    TOPICS,
    WATCH_STATE,
    WINDOWS,
    Topic,
    event_key,
)
from loopin_schemas.window import MetricWindow, WindowPartials


def test_names_are_unique_and_legal() -> None:
    names = [topic.name for topic in TOPICS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9._-]{1,200}", name) for name in names)


def test_values() -> None:
    assert {topic.name: topic.value for topic in TOPICS if topic.value} == {
        "events.raw": Event,
        "events.enriched": EnrichedEvent,
        "events.dlq": DeadLetter,
        "dlq.replayed": Replayed,
        "profiles": Profile,
        "windows": WindowPartials,
        "metrics": MetricWindow,
        "alerts": Alert,
        "anomalies": Anomaly,
        "notifications": Notification,
        "insights": InsightRecord,
        "examples": Example,
        "models": ModelRecord,
        "config": ConfigRecord,
        "identity.links": LinkRequest,
        "persons": Person,
        "person.merges": PersonMerge,
    }


def test_all_but_what_is_read_whole_or_decided_in_one_order_have_the_partitions_of_raw() -> None:
    assert [topic.name for topic in TOPICS if topic.partitions != "raw"] == [
        *("dlq.replayed", "alerts", "notifications", "watch.state", "insights"),
        *("examples", "train.state", "models"),
        *("identity.links", "identity.state", "persons", "person.merges"),
        "config",
    ]


def test_raw_takes_the_brokers_time_and_keeps_a_week() -> None:
    assert RAW.config() == {
        "cleanup.policy": "delete",
        "retention.ms": str(7 * DAY),
        "message.timestamp.type": "LogAppendTime",
    }


def test_only_raw_and_alerts_override_the_records_time() -> None:
    assert [topic.name for topic in TOPICS if topic.append_time] == ["events.raw", "alerts"]


def test_dead_letters_are_kept_a_month() -> None:
    assert DLQ.config() == {"cleanup.policy": "delete", "retention.ms": str(30 * DAY)}


def test_what_was_replayed_is_known_for_longer_than_the_letter_itself() -> None:
    assert REPLAYED.partitions == "one"
    assert REPLAYED.config() == {"cleanup.policy": "delete", "retention.ms": str(31 * DAY)}


def test_alerts_are_stored_as_every_client_can_read_them() -> None:
    assert [topic.name for topic in TOPICS if topic.compression] == ["alerts"]
    assert ALERTS.config() == {
        "cleanup.policy": "delete",
        "retention.ms": str(90 * DAY),
        "compression.type": "uncompressed",
        "message.timestamp.type": "LogAppendTime",
    }


def test_who_was_told_is_known_for_longer_than_the_alert_itself() -> None:
    assert NOTIFICATIONS.partitions == "one"
    assert NOTIFICATIONS.config() == {"cleanup.policy": "delete", "retention.ms": str(91 * DAY)}


@pytest.mark.parametrize(
    "topic", [CONFIG, ENRICH_STATE, MERGE_STATE, PROFILES, WATCH_STATE], ids=lambda topic: topic.name
)
def test_state_is_compacted_in_small_segments(topic: Topic) -> None:
    assert topic.compacted
    assert topic.config() == {
        "cleanup.policy": "compact",
        "segment.ms": "900000",
        "segment.bytes": "67108864",
        "min.cleanable.dirty.ratio": "0.1",
    }


def test_no_other_topic_is_compacted() -> None:
    compacted = [topic.name for topic in TOPICS if topic.compacted]
    assert compacted == [
        *("profiles", "enrich.state", "merge.state", "watch.state", "train.state", "models"),
        *("identity.state", "persons", "config"),
    ]


def test_shares_of_windows_are_kept_as_long_as_raw_events_within_a_bound() -> None:
    assert WINDOWS.config() == {
        "cleanup.policy": "delete",
        "retention.ms": RAW.config()["retention.ms"],
        "retention.bytes": str(1 << 30),
        "segment.ms": "900000",
        "segment.bytes": "67108864",
    }
    assert METRICS.config() == {"cleanup.policy": "delete", "retention.ms": str(7 * DAY)}


def test_seen_keeps_the_duplicate_window_in_small_segments() -> None:
    assert not SEEN.compacted
    assert SEEN.config() == {
        "retention.bytes": str(64 << 20),
        "cleanup.policy": "delete",
        # Beyond the raw events' own: a backlog of those is judged by their append times.
        "retention.ms": str(8 * 24 * HOUR),
        "segment.ms": "900000",
        "segment.bytes": "67108864",
    }


@pytest.mark.parametrize(("replicas", "least"), [(1, None), (2, None), (3, "2"), (5, "2")])
def test_from_three_replicas_on_two_must_have_a_record(replicas: int, least: str | None) -> None:
    for topic in TOPICS:
        assert topic.config(replicas).get("min.insync.replicas") == least
        assert topic.config(replicas).items() >= topic.config().items()


def test_a_users_key() -> None:
    assert event_key("demo", "u\u00e91") == "demo:u\u00e91".encode()
