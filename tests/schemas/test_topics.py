"""The topic table: what each topic keeps, and for how long."""

from __future__ import annotations

import re

import pytest

from loopin_schemas import DeadLetter, EnrichedEvent, Event
from loopin_schemas.topics import (
    DAY,
    DLQ,
    ENRICH_STATE,
    ENRICHED,
    HOUR,
    RAW,
    SEEN,
    TOPICS,
    Topic,
    event_key,
)


def test_names_are_unique_and_legal() -> None:
    names = [topic.name for topic in TOPICS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9._-]{1,200}", name) for name in names)


def test_values() -> None:
    assert {topic.name: topic.value for topic in TOPICS if topic.value} == {
        "events.raw": Event,
        "events.enriched": EnrichedEvent,
        "events.dlq": DeadLetter,
    }


@pytest.mark.parametrize("topic", [RAW, ENRICHED, DLQ, ENRICH_STATE, SEEN], ids=lambda topic: topic.name)
def test_topics_beside_raw_have_its_partitions(topic: Topic) -> None:
    assert topic.partitions == "raw"


def test_raw_takes_the_brokers_time_and_keeps_a_week() -> None:
    assert RAW.config() == {
        "cleanup.policy": "delete",
        "retention.ms": str(7 * DAY),
        "message.timestamp.type": "LogAppendTime",
    }


def test_only_raw_overrides_the_records_time() -> None:
    assert [topic.name for topic in TOPICS if topic.append_time] == ["events.raw"]


def test_dead_letters_are_kept_a_month() -> None:
    assert DLQ.config() == {"cleanup.policy": "delete", "retention.ms": str(30 * DAY)}


def test_state_is_compacted_in_small_segments() -> None:
    assert ENRICH_STATE.compacted
    assert ENRICH_STATE.config() == {
        "cleanup.policy": "compact",
        "segment.ms": "900000",
        "segment.bytes": "67108864",
        "min.cleanable.dirty.ratio": "0.1",
    }


def test_seen_keeps_the_duplicate_window_in_small_segments() -> None:
    assert not SEEN.compacted
    assert SEEN.config() == {
        "retention.bytes": str(64 << 20),
        "cleanup.policy": "delete",
        "retention.ms": str(6 * HOUR),
        "segment.ms": "900000",
        "segment.bytes": "67108864",
    }


def test_a_users_key() -> None:
    assert event_key("demo", "u\u00e91") == "demo:u\u00e91".encode()
