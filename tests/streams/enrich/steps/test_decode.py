from __future__ import annotations

from uuid import UUID

import pytest

from loopin_streams.enrich.draft import Dlq, Draft, Origin
from loopin_streams.enrich.steps.decode import decode, derived_uuid
from tests.streams.enrich.drafts import TOPIC_ID, RawRecord, body, context


def test_a_good_event_passes_with_its_own_uuid_in_lower_case() -> None:
    draft = Draft(RawRecord(body(uuid="01A2B3C4-0000-7000-8000-00000000000A")))
    assert decode(draft, context()) is None
    assert draft.uuid == "01a2b3c4-0000-7000-8000-00000000000a"
    assert (draft.event.project, draft.event.event, draft.event.distinct_id) == ("demo", "click", "u1")


def test_a_missing_uuid_is_derived_from_the_records_place() -> None:
    draft = Draft(RawRecord(body(uuid=None), offset=7))
    assert decode(draft, context(partition=3, partitions=7)) is None
    assert draft.uuid == derived_uuid(Origin("another name", TOPIC_ID, 3), 7)
    assert UUID(draft.uuid).version == 8


def test_every_place_has_another_derived_uuid() -> None:
    places = [
        (topic_id, partition, offset)
        for topic_id in (TOPIC_ID, TOPIC_ID[:-1] + "9")
        for partition in (0, 1, 11)
        for offset in (0, 1, 10, 110)
    ]
    found = {derived_uuid(Origin("t", topic_id, partition), offset) for topic_id, partition, offset in places}
    assert len(found) == len(places)


@pytest.mark.parametrize("value", [None, b""])
def test_a_tombstone_is_a_dead_letter(value: bytes | None) -> None:
    outcome = decode(Draft(RawRecord(value)), context())
    assert isinstance(outcome, Dlq)
    assert outcome.reason == "empty_body"


@pytest.mark.parametrize(
    ("value", "reason", "field"),
    [
        (b"broken", "not_json", None),
        (b"\xff\xfe", "not_utf8", None),
        (b'{"project":"demo"}', "missing_field", "event"),
        (b"[1]", "wrong_type", None),
        (body(distinct_id=5), "wrong_type", "distinct_id"),
        (b"{" + b" " * 70_000 + b"}", "too_large", None),
    ],
)
def test_what_is_no_event_is_a_dead_letter_with_the_field_at_fault(
    value: bytes, reason: str, field: str | None
) -> None:
    outcome = decode(Draft(RawRecord(value)), context())
    assert isinstance(outcome, Dlq)
    assert (outcome.reason, outcome.field) == (reason, field)
    assert outcome.message.endswith(".")
