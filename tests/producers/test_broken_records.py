from __future__ import annotations

import time

import pytest

from loopin_producers.broken_records import broken_records
from loopin_schemas import InvalidEvent
from loopin_schemas.timestamps import parse_timestamp
from loopin_schemas.validation import check_event_time, decode_event, validate


def check(value: bytes, now: int) -> None:
    """What the pipeline's first steps ask of a record."""
    event = decode_event(value)
    validate(event)
    check_event_time(parse_timestamp(event.timestamp), now)


def test_every_record_is_refused_and_no_two_alike() -> None:
    now = time.time_ns() // 1_000_000
    records = list(broken_records("demo"))
    assert len({label for label, _, _ in records}) == len({value for _, _, value in records}) == 14
    for label, key, value in records:
        assert key.startswith(b"demo:"), label
        with pytest.raises(InvalidEvent):
            check(value, now)


def test_same_seed_same_records() -> None:
    assert list(broken_records("demo", 1)) == list(broken_records("demo", 1))
    assert list(broken_records("demo", 1)) != list(broken_records("demo", 2))
