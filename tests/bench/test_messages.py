"""The messages are what the oracle and the systems take them for."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from loopin_schemas.errors import InvalidEvent
from loopin_schemas.validation import decode_event, validate
from tests.bench.messages import (
    DAY_MS,
    INVALID_ID,
    LATEST_MS,
    NAMES,
    SPAN_MS,
    Messages,
    closing_messages,
    introductions,
    lines,
    read_messages,
    write_messages,
)
from tests.bench.paced_producer import timed

START_MS = 1_790_000_040_000


def test_a_file_is_read_back_as_it_was_made(tmp_path: Path) -> None:
    wanted = Messages(500, START_MS)
    write_messages(wanted, tmp_path / "messages")

    assert list(read_messages(tmp_path / "messages")) == list(lines(wanted))


@settings(deadline=None)
@given(st.integers(1, 2000), st.integers(1, 100), st.booleans())
def test_times_lie_in_the_span_and_uuids_are_unique(events: int, users: int, zipf: bool) -> None:
    found = [json.loads(body) for _, body in lines(Messages(events, START_MS, users=users, zipf=zipf))]

    assert len(found) == events
    assert all(START_MS <= event["timestamp"] < START_MS + SPAN_MS for event in found)
    assert len({event["uuid"] for event in found}) == events


def test_few_are_invalid_and_late_by_no_more_than_is_said() -> None:
    latest = invalid = late = 0
    for key, body in lines(Messages(20_000, START_MS)):
        event = decode_event(body)
        assert key.decode() == f"bench:{event.distinct_id}"
        assert isinstance(event.timestamp, int)
        late += event.timestamp < latest
        assert event.timestamp >= latest - LATEST_MS
        latest = max(latest, event.timestamp)
        try:
            validate(event)
        except InvalidEvent:
            invalid += 1
            assert event.distinct_id == INVALID_ID

    assert 5 <= invalid <= 60
    assert 600 <= late <= 1400


def test_users_follow_zipfs_law_unless_told_otherwise() -> None:
    def busiest(zipf: bool) -> int:
        counts: dict[bytes, int] = defaultdict(int)
        for key, _ in lines(Messages(10_000, START_MS, users=1000, zipf=zipf)):
            counts[key] += 1
        return max(counts.values())

    assert busiest(True) > 1000
    assert busiest(False) < 50


def test_introductions_name_every_user_once() -> None:
    events = [decode_event(body) for _, body in introductions(300, START_MS)]

    assert {event.distinct_id for event in events} == {f"member-{user:07d}" for user in range(300)}
    assert len({event.uuid for event in events}) == 300

    before = [decode_event(body) for _, body in introductions(300, START_MS, 2, "content_commented")]
    assert {event.event for event in before} == {"content_commented"}
    assert [event.timestamp for event in before] == [
        START_MS - 2 * DAY_MS + n * SPAN_MS // 300 for n in range(300)
    ]
    assert not {event.uuid for event in before} & {event.uuid for event in events}


def test_closing_events_reach_every_partition_and_name_and_are_valid() -> None:
    found = closing_messages(START_MS, 3, 1000)
    events = [(decode_event(body), partition) for _, body, partition in found]

    assert {(event.event, partition) for event, partition in events} == {
        (name, partition) for name in NAMES for partition in range(3)
    }
    assert {event.timestamp for event, _ in events} == {START_MS + SPAN_MS + 1000}
    assert len({event.uuid for event, _ in events}) == len(found)
    assert all(validate(event) for event, _ in events)


def test_a_paced_event_carries_its_scheduled_time_and_is_valid() -> None:
    for _, body in lines(Messages(3000, 0)):
        event = decode_event(timed(body, START_MS))
        assert (event.timestamp, event.queued_at) == (START_MS, START_MS)
        validate(event)
