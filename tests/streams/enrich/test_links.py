"""Events that say something of identity become requests, and no others do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.streams.enrich.drafts import RECEIVED_MS, TOPIC_ID, UUID, RawRecord, body
from tests.streams.enrich.ledger import Ledger, numbered


def requested(*bodies: bytes, sampling_rate: float = 1.0) -> list[dict[str, Any]]:
    ledger = Ledger(sampling_rate=sampling_rate)
    output = ledger.absorb(ledger.open(), [RawRecord(each, 10 + at) for at, each in enumerate(bodies)])
    assert {place for place in output.routed if place[0] == "identity.links"} <= {("identity.links", 0)}
    messages = output.routed.get(("identity.links", 0), [])
    assert [key for key, _ in messages] == [b"demo:u1"] * len(messages)
    return [json.loads(value or b"") for _, value in messages]


def test_identify_asks_for_the_anonymous_id() -> None:
    [found] = requested(body(event="$identify", properties={"$anon_distinct_id": "anon-1", "x": 1}))
    merge_id = found.pop("id")
    assert merge_id[14] == "8"
    assert found == {
        "project": "demo",
        "kind": "identify",
        "distinct_id": "u1",
        "other": "anon-1",
        "event_uuid": UUID,
        "timestamp": RECEIVED_MS,
        "_raw_partition": 0,
        "_raw_offset": 10,
    }


@pytest.mark.parametrize(("event", "kind"), [("$create_alias", "alias"), ("$merge_dangerously", "merge")])
def test_alias_and_merge_ask_for_the_alias(event: str, kind: str) -> None:
    [found] = requested(body(event=event, properties={"alias": 17}))
    assert (found["kind"], found["other"]) == (kind, "17")
    assert "problem" not in found


@pytest.mark.parametrize(
    ("event", "properties", "problem"),
    [
        ("$identify", {}, None),
        ("$identify", {"$anon_distinct_id": None}, None),
        ("$identify", {"$anon_distinct_id": "undefined"}, "distinct_id_forbidden"),
        ("$create_alias", {}, "wrong_type"),
        ("$create_alias", {"alias": True}, "wrong_type"),
        ("$create_alias", {"alias": ["a"]}, "wrong_type"),
        ("$create_alias", {"alias": ""}, "distinct_id_empty"),
        ("$merge_dangerously", {"alias": "x" * 201}, "distinct_id_too_long"),
        ("$merge_dangerously", {"alias": "null"}, "distinct_id_forbidden"),
    ],
)
def test_what_is_no_id_is_said(event: str, properties: dict[str, Any], problem: str | None) -> None:
    [found] = requested(body(event=event, properties=properties))
    assert (found.get("other"), found.get("problem")) == (None, problem)


def test_other_events_ask_for_nothing() -> None:
    assert requested(body(properties={"$anon_distinct_id": "anon-1", "alias": "a"})) == []


def test_a_repeated_event_asks_once_and_each_record_has_its_own_merge() -> None:
    one = body(event="$create_alias", properties={"alias": "a"})
    two = body(event="$create_alias", properties={"alias": "a"}, uuid=numbered(2))
    found = requested(one, one, two, body(event="$create_alias", project="?"))
    assert [each["event_uuid"] for each in found] == [UUID, numbered(2)]
    assert len({each["id"] for each in found}) == 2
    assert TOPIC_ID not in {each["id"] for each in found}


def test_who_is_one_person_does_not_depend_on_the_sample() -> None:
    events = [
        body(
            event=event,
            properties={"$anon_distinct_id": f"anon-{n}", "alias": f"alias-{n}"},
            uuid=numbered(n),
        )
        for n, event in enumerate(["$identify", "click", "$create_alias", "$merge_dangerously"] * 5)
    ]
    assert requested(*events, sampling_rate=0.0) == requested(*events)


def test_a_link_outside_the_client_s_sample_is_no_event() -> None:
    ledger = Ledger(sampling_rate=1.0)
    link = body(event="$identify", properties={"$anon_distinct_id": "anon-1", "$sampled_out": True})
    other = body(uuid=numbered(1), properties={"$sampled_out": True})
    output = ledger.absorb(ledger.open(), [RawRecord(link, 0), RawRecord(other, 1)])
    assert len(ledger.routed["identity.links", 0]) == 1
    assert (output.counts.passed, ledger.counts.dropped) == (1, {"sampled": 1})


def test_a_link_outside_the_sample_counts_once_too() -> None:
    ledger = Ledger(sampling_rate=0.0)
    sent = body(event="$identify", properties={"$anon_distinct_id": "anon-1"})
    for offset in range(3):
        output = ledger.absorb(ledger.open(), [RawRecord(sent, offset), RawRecord(body(uuid=None), offset)])
        assert output.counts.passed == 0
        assert "events.enriched" not in output.messages
    assert len(ledger.routed["identity.links", 0]) == 1
    assert ledger.counts.dropped == {"sampled": 4, "duplicate": 2}
