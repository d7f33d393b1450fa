"""From a letter to the record that replays it, without a broker."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID as Uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.dead_letter import DeadLetter
from loopin_schemas.errors import InvalidEvent
from loopin_schemas.event import EnrichedEvent
from loopin_streams.dead_letters.repair import Left, Ready, as_it_is, prepare
from loopin_streams.enrich.draft import Context, Draft, Origin
from loopin_streams.enrich.steps.clock_skew import correct_clock
from loopin_streams.enrich.steps.decode import decode
from loopin_streams.enrich.steps.validate import validate
from tests.streams.dead_letters.dead import FIRST_MS, TOPIC_ID, UUID, body, letter

SECOND, HOUR, DAY, YEAR = 1000, 3_600_000, 86_400_000, 366 * 86_400_000
NOW_MS = FIRST_MS + 20 * DAY


def outcome(value: bytes, **options: Any) -> Ready | Left:
    return of(letter(value), **options)


def of(dead: DeadLetter, event: dict[str, Any] | None = None, **options: Any) -> Ready | Left:
    known = {"first_seen": dead.first_seen, "now_ms": NOW_MS} | options
    return prepare(dead, as_it_is(dead) if event is None else event, **known)


def published(found: Ready | Left) -> dict[str, Any]:
    assert isinstance(found, Ready), found
    return dict(json.loads(found.body))


def test_an_event_as_it_was_gains_its_origin_and_its_time_and_nothing_else() -> None:
    whole = body(properties={"big": 2**70, "e": 1.0e5}, session_id="s", source="ai", extra={"a": [1]})
    spelled = whole.replace(b"100000.0", b"1.0E5")
    found = outcome(spelled)
    assert published(found) == json.loads(spelled) | {
        "_origin": f"{TOPIC_ID}:3:7",
        "timestamp": FIRST_MS,
    }
    assert isinstance(found, Ready)
    assert b'"properties": {"big": 1180591620717411303424, "e": 1.0E5}'.replace(b": {", b":{") in found.body
    assert found.key == b"demo:u1"
    note = found.replayed
    assert (note.place, note.origin) == (f"{TOPIC_ID}:3:7", f"{TOPIC_ID}:3:7")
    assert (note.project, note.uuid, note.first_seen, note.replayed_at) == ("demo", UUID, FIRST_MS, NOW_MS)


class TestUuid:
    def test_one_that_never_had_any_gets_that_of_its_place(self) -> None:
        digest = blake2b(f"{TOPIC_ID}:3:7".encode(), digest_size=16).hexdigest()
        for none in (..., None):
            derived = Uuid(published(outcome(body(uuid=none)))["uuid"])
            assert (derived.version, derived.hex[:12]) == (8, digest[:12])
            assert derived.hex[17:] == digest[17:]

    def test_a_repair_that_leaves_it_out_does_not_lose_it(self) -> None:
        bare = {"project": "demo", "event": "click", "distinct_id": "u2"}
        assert published(of(letter(body(distinct_id="null")), bare))["uuid"] == UUID

    def test_one_that_was_none_is_replaced_by_that_of_the_place(self) -> None:
        bare = json.loads(body(uuid=...))
        assert Uuid(published(of(letter(body(uuid="42")), bare))["uuid"]).version == 8

    def test_a_repair_may_give_another_one(self) -> None:
        other = UUID[:-1] + "B"
        found = of(letter(body(uuid="42")), json.loads(body(uuid=other)))
        assert published(found)["uuid"] == other
        assert isinstance(found, Ready)
        assert found.replayed.uuid == other.lower()


class TestChain:
    def test_the_first_origin_stays(self) -> None:
        first = f"{TOPIC_ID}:0:1"
        again = letter(body(_origin=first))
        found = of(again)
        assert published(found)["_origin"] == first
        assert isinstance(found, Ready)
        assert (found.replayed.place, found.replayed.origin) == (f"{TOPIC_ID}:3:7", first)

    def test_a_repair_cannot_change_it(self) -> None:
        found = of(letter(body()), json.loads(body(_origin=f"{TOPIC_ID}:9:9")))
        assert published(found)["_origin"] == f"{TOPIC_ID}:3:7"

    @pytest.mark.parametrize("claimed", ["x", 5, None, {"a": 1}, "a" * 10_000])
    def test_what_is_no_place_is_none(self, claimed: object) -> None:
        assert published(outcome(body(_origin=claimed)))["_origin"] == f"{TOPIC_ID}:3:7"


@dataclass
class Arrived:
    value: bytes
    timestamp: int
    offset: int = 0
    key: bytes | None = None


def enriched(value: bytes, arrived_ms: int) -> EnrichedEvent | None:
    """What the pipeline makes of an event that arrives then; None for a dead letter."""
    draft = Draft(Arrived(value, arrived_ms))
    context = cast(Context, SimpleNamespace(origin=Origin("loopin.events.raw", TOPIC_ID, 0)))
    passed = all(step(draft, context) is None for step in (decode, validate, correct_clock))
    return draft.enriched if passed else None


class TestTimes:
    @pytest.mark.parametrize(
        ("sent", "timestamp"),
        [
            ({}, FIRST_MS),
            ({"sent_at": FIRST_MS - 5 * HOUR}, FIRST_MS),
            ({"timestamp": FIRST_MS - HOUR}, FIRST_MS - HOUR),
            ({"timestamp": FIRST_MS - HOUR, "sent_at": FIRST_MS - SECOND}, FIRST_MS - HOUR),
            ({"timestamp": FIRST_MS - 3 * HOUR, "sent_at": FIRST_MS - 2 * HOUR}, FIRST_MS - HOUR),
            ({"timestamp": FIRST_MS + DAY}, FIRST_MS),
            ({"timestamp": "2027-01-15T07:00:00Z"}, FIRST_MS - HOUR),
            ({"timestamp": FIRST_MS - 4 * YEAR}, FIRST_MS - 4 * YEAR),
        ],
    )
    def test_are_those_of_the_first_arrival(self, sent: dict[str, Any], timestamp: int) -> None:
        found = outcome(body(**sent))
        assert isinstance(found, Ready), found
        stored = enriched(found.body, NOW_MS)
        assert stored is not None
        assert (stored.timestamp, stored.sent_at) == (timestamp, sent.get("sent_at"))

    times = st.integers(FIRST_MS - 6 * YEAR, FIRST_MS + 6 * YEAR) | st.none()

    @given(times, times, st.integers(0, 30 * DAY))
    def test_a_replay_whenever_it_comes_gives_what_the_first_arrival_would_have(
        self, timestamp: int | None, sent_at: int | None, later: int
    ) -> None:
        value = body(timestamp=timestamp, sent_at=sent_at)
        first = enriched(value, FIRST_MS)
        found = outcome(value, now_ms=FIRST_MS + later)
        if first is None:
            assert isinstance(found, Left)
            assert found.kind == "invalid"
        elif isinstance(found, Left):
            # Only age: five years have passed meanwhile.
            assert FIRST_MS + later - first.timestamp > 1827 * DAY
        else:
            again = enriched(found.body, FIRST_MS + later)
            assert again is not None
            assert (again.timestamp, again.sent_at) == (first.timestamp, first.sent_at)

    def test_five_years_count_from_the_replay(self) -> None:
        old = body(timestamp=FIRST_MS - 1826 * DAY)
        assert isinstance(outcome(old, now_ms=FIRST_MS + DAY), Ready)
        found = outcome(old, now_ms=FIRST_MS + DAY + 1)
        assert isinstance(found, Left)
        assert found.reason == "timestamp_out_of_range"

    def test_a_chain_counts_from_its_first_arrival(self) -> None:
        found = outcome(body(), first_seen=FIRST_MS - 2 * DAY)
        assert published(found)["timestamp"] == FIRST_MS - 2 * DAY
        assert isinstance(found, Ready)
        assert found.replayed.first_seen == FIRST_MS - 2 * DAY

    def test_the_client_that_queued_keeps_its_word(self) -> None:
        queued = {"timestamp": FIRST_MS - DAY, "queued_at": FIRST_MS - HOUR}
        kept = published(outcome(body(**queued)))
        assert (kept["timestamp"], kept["queued_at"]) == (FIRST_MS - DAY, FIRST_MS - HOUR)


class TestStillInvalid:
    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (body(distinct_id="null"), "distinct_id_forbidden"),
            (body(project=...), "missing_field"),
            (body(event=7), "wrong_type"),
            (body(uuid="42"), "uuid_invalid"),
            (body(timestamp="soon"), "timestamp_invalid"),
            (body(timestamp=[[[]]]), "wrong_type"),
            (body(timestamp=FIRST_MS - 6 * YEAR), "timestamp_out_of_range"),
            (body(timestamp=FIRST_MS, sent_at=FIRST_MS - 6 * YEAR), "timestamp_out_of_range"),
            (body(queued_at="x"), "wrong_type"),
            (body(properties=[]), "properties_not_object"),
            (body(properties={"a": "x" * 40_000}), "properties_too_large"),
            (body(properties={"a": "x" * 70_000}), "too_large"),
        ],
    )
    def test_is_left_with_the_reason_of_the_pipeline(self, value: bytes, reason: str) -> None:
        found = outcome(value)
        assert isinstance(found, Left)
        assert (found.kind, found.reason) == ("invalid", reason)

    @pytest.mark.parametrize("value", [b"", b"{", b"[1]", b"null", b"\xff{}", b"[" * 5000])
    def test_what_is_no_json_object_has_no_event(self, value: bytes) -> None:
        with pytest.raises(InvalidEvent) as refused:
            as_it_is(letter(value))
        assert refused.value.code in ("not_json", "wrong_type", "not_utf8", "too_deep")

    def test_what_grows_too_large_by_its_stamps_is_left(self) -> None:
        room = 65_536 - len(body(properties={"a": ""}, extra=""))
        value = body(properties={"a": "x" * 30_000}, extra="y" * (room - 30_000))
        assert len(value) == 65_536
        found = outcome(value)
        assert isinstance(found, Left)
        assert (found.kind, found.reason) == ("invalid", "too_large")

    def test_what_json_cannot_hold_is_the_repairs_fault(self) -> None:
        for value in (object(), "\ud800", {1, object()}):
            found = of(letter(body()), json.loads(body()) | {"properties": {"a": value}})
            assert isinstance(found, Left)
            assert (found.kind, found.reason) == ("failed", "fix_failed")
            assert found.message.endswith(".")


class TestForce:
    def test_publishes_what_will_fail_again_with_its_lineage(self) -> None:
        found = outcome(body(timestamp="soon", distinct_id=5, uuid=...), force=True)
        event = published(found)
        assert isinstance(found, Ready)
        assert (event["timestamp"], event["_origin"]) == ("soon", f"{TOPIC_ID}:3:7")
        assert (found.key, found.replayed.uuid) == (b"demo:", event["uuid"])

    def test_a_uuid_that_is_none_is_not_remembered(self) -> None:
        found = outcome(body(uuid="42"), force=True)
        assert isinstance(found, Ready)
        assert found.replayed.uuid == ""

    def test_not_what_would_be_cut(self) -> None:
        found = outcome(body(properties={"a": "x" * 262_144}), force=True)
        assert isinstance(found, Left)
        assert found.reason == "too_large"
        assert isinstance(outcome(body(properties={"a": "x" * 250_000}), force=True), Ready)


class TestSinkLetters:
    ENRICHED = json.loads(body(timestamp=FIRST_MS - 5 * HOUR, sent_at=FIRST_MS - 3 * HOUR)) | {
        "received_at": FIRST_MS - HOUR,
        "_raw_partition": 1,
        "_raw_offset": 5,
    }

    def dead(self) -> DeadLetter:
        return letter(json.dumps(self.ENRICHED).encode(), step="sink", topic="loopin.events.enriched")

    def test_it_goes_back_to_where_the_sinks_read_it_as_it_was(self) -> None:
        found = of(self.dead())
        assert isinstance(found, Ready), found
        assert (found.topic, found.partition) == ("events.enriched", self.dead().partition)
        assert found.key == b"demo:u1"
        assert json.loads(found.body) == self.ENRICHED
        assert (found.replayed.place, found.replayed.uuid) == (self.dead().place, "")

    @pytest.mark.parametrize("field", ["_raw_offset", "received_at", "distinct_id"])
    def test_a_repair_must_leave_it_an_enriched_event(self, field: str) -> None:
        fixed = {name: value for name, value in self.ENRICHED.items() if name != field}
        found = of(self.dead(), fixed, force=True)
        assert isinstance(found, Left)
        assert (found.kind, found.reason) == ("invalid", "enriched_event")
        assert "with all of its fields" in found.message
