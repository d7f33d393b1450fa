from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.event import EnrichedEvent
from loopin_streams.enrich.draft import Dlq, Outcome
from loopin_streams.enrich.steps.clock_skew import MAX_FUTURE_MS, MIN_SKEW_MS, correct_clock
from tests.streams.enrich.drafts import RECEIVED_MS, TOPIC_ID, body, context, draft_before

SECOND, HOUR, YEAR = 1000, 3_600_000, 366 * 86_400_000


def corrected(**fields: Any) -> EnrichedEvent:
    draft = draft_before("clock_skew", body(**fields), offset=9)
    assert correct_clock(draft, context()) is None
    return draft.enriched


def refused(**fields: Any) -> Outcome:
    return correct_clock(draft_before("clock_skew", body(**fields)), context())


def test_all_four_times_are_kept() -> None:
    found = corrected(timestamp=RECEIVED_MS - 2 * HOUR, sent_at=RECEIVED_MS - HOUR)
    assert found.original_timestamp == RECEIVED_MS - 2 * HOUR
    assert found.sent_at == RECEIVED_MS - HOUR
    assert found.received_at == RECEIVED_MS
    assert found.timestamp == RECEIVED_MS - HOUR


@pytest.mark.parametrize(
    ("skew", "shift"),
    [
        (0, 0),
        (MIN_SKEW_MS, 0),
        (-MIN_SKEW_MS, 0),
        (MIN_SKEW_MS + 1, MIN_SKEW_MS + 1),
        (-MIN_SKEW_MS - 1, -MIN_SKEW_MS - 1),
    ],
)
def test_only_a_difference_above_a_minute_shifts(skew: int, shift: int) -> None:
    found = corrected(timestamp=RECEIVED_MS - HOUR, sent_at=RECEIVED_MS - skew)
    assert found.timestamp == RECEIVED_MS - HOUR + shift


def test_without_sent_at_nothing_shifts() -> None:
    assert corrected(timestamp=RECEIVED_MS - HOUR).timestamp == RECEIVED_MS - HOUR


def test_without_timestamp_the_arrival_counts_whatever_sent_at_says() -> None:
    found = corrected(sent_at=RECEIVED_MS - 5 * HOUR)
    assert (found.timestamp, found.original_timestamp) == (RECEIVED_MS, None)


@pytest.mark.parametrize(
    ("ahead", "timestamp"), [(0, 0), (MAX_FUTURE_MS, MAX_FUTURE_MS), (MAX_FUTURE_MS + 1, 0)]
)
def test_further_ahead_than_23_hours_is_set_to_the_arrival(ahead: int, timestamp: int) -> None:
    found = corrected(timestamp=RECEIVED_MS + ahead)
    assert found.timestamp == RECEIVED_MS + timestamp
    assert found.original_timestamp == RECEIVED_MS + ahead


@pytest.mark.parametrize(
    ("value", "field"),
    [("yesterday", "timestamp"), ("", "timestamp"), ("yesterday", "sent_at"), (10**17, "sent_at")],
)
def test_what_is_no_time_is_a_dead_letter(value: object, field: str) -> None:
    outcome = refused(**{field: value})
    assert isinstance(outcome, Dlq)
    assert (outcome.reason, outcome.field) == ("timestamp_invalid", field)


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"timestamp": "1900-01-01T00:00:00Z"}, "timestamp"),
        ({"timestamp": "2200-01-01T00:00:00Z"}, "timestamp"),
        ({"timestamp": RECEIVED_MS // 1000}, "timestamp"),
        ({"timestamp": RECEIVED_MS, "sent_at": RECEIVED_MS - 9 * YEAR}, "sent_at"),
        ({"timestamp": RECEIVED_MS, "sent_at": RECEIVED_MS // 1000}, "sent_at"),
    ],
)
def test_years_away_from_the_arrival_is_a_dead_letter(fields: dict[str, Any], at_fault: str) -> None:
    outcome = refused(**fields)
    assert isinstance(outcome, Dlq)
    assert (outcome.reason, outcome.field) == ("timestamp_out_of_range", at_fault)


times = st.integers(RECEIVED_MS - 10 * YEAR, RECEIVED_MS + 10 * YEAR)


@given(times, st.none() | times)
def test_what_passes_lies_between_five_years_before_and_23_hours_after_arrival(
    timestamp: int, sent_at: int | None
) -> None:
    draft = draft_before("clock_skew", body(timestamp=timestamp, sent_at=sent_at))
    if correct_clock(draft, context()) is None:
        assert -5 * YEAR <= draft.enriched.timestamp - RECEIVED_MS <= MAX_FUTURE_MS


def test_the_session_is_the_field_else_the_property() -> None:
    assert corrected(session_id="s1", properties={"$session_id": "s2"}).session_id == "s1"
    assert corrected(properties={"$session_id": "s2"}).session_id == "s2"


@pytest.mark.parametrize("value", [5, "", "x" * 201, None, ["s"]])
def test_a_session_property_that_is_no_id_is_left_where_it_is(value: object) -> None:
    assert corrected(properties={"$session_id": value}).session_id is None


def test_the_event_carries_its_place_and_its_own_fields() -> None:
    parent = "01a2b3c4-0000-7000-8000-00000000000b"
    value = body(source="ai", parent_uuid=parent, properties={"a": 1})
    at = context(partition=3, partitions=7)
    draft = draft_before("clock_skew", value, at=at, offset=9)
    assert correct_clock(draft, at) is None
    found = draft.enriched
    assert (found.raw_partition, found.raw_offset) == (3, 9)
    assert found.origin is None
    assert corrected(_origin=f"{TOPIC_ID}:0:5").origin == f"{TOPIC_ID}:0:5"
    assert (found.source, found.parent_uuid) == ("ai", parent)
    assert bytes(found.properties) == b'{"a": 1}'
