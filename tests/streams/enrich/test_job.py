"""The enrichment job: whatever the bytes are, every record ends as exactly one thing and is counted so."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopin_schemas.codec import decode
from loopin_schemas.dead_letter import MAX_BODY_BYTES, DeadLetter
from loopin_schemas.event import EnrichedEvent
from loopin_streams.enrich.body_privacy import BodyPrivacy
from loopin_streams.enrich.job import EnrichJob, EnrichOptions
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.job import Absorber, Output
from loopin_streams.kafka.marker import Marker
from loopin_text.pii import Scrubber
from tests.streams.enrich.drafts import RECEIVED_MS, TOPIC_ID, UUID, RawRecord, body


def opened(history: Sequence[Record] = (), *, partition: int = 0, partitions: int = 1) -> Absorber:
    absorber = EnrichJob(EnrichOptions("loopin.", partitions)).open(partition, TOPIC_ID)
    absorber.restore("seen", history)
    absorber.opened(Marker(topic_id=TOPIC_ID, position=0), {})
    return absorber


def absorb(*bodies: bytes | None) -> Output:
    records = [RawRecord(value, offset) for offset, value in enumerate(bodies)]
    return opened().absorb(records, len(records))


def values(output: Output, topic: str) -> list[bytes]:
    return [value for _, value in output.messages.get(topic, []) if value is not None]


def enriched(output: Output) -> list[EnrichedEvent]:
    return [decode(value, EnrichedEvent) for value in values(output, "events.enriched")]


def letters(output: Output) -> list[DeadLetter]:
    return [decode(value, DeadLetter) for value in values(output, "events.dlq")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
NAMES = ["text", "$session_id", "amount", "currency", "country"]
near_events = st.fixed_dictionaries(
    {},
    optional={
        "project": st.sampled_from(["demo", "", "a b"]) | json_values,
        "event": st.sampled_from(["click", "message_sent", "ticket_purchased", "\0"]) | json_values,
        "distinct_id": st.sampled_from(["u1", "null", "\ud800"]) | json_values,
        "uuid": st.sampled_from(["01a2b3c4-0000-7000-8000-00000000000a", "x"]) | json_values,
        "timestamp": st.integers(RECEIVED_MS - 10**9, RECEIVED_MS + 10**9) | json_values,
        "sent_at": json_values,
        "session_id": json_values,
        "properties": st.dictionaries(st.sampled_from(NAMES), json_values | st.just("\ud800")) | json_values,
        "source": st.sampled_from(["sdk", "nobody"]) | json_values,
        "parent_uuid": json_values,
    },
).map(lambda fields: json.dumps({"project": "demo", "event": "click", "distinct_id": "u1"} | fields).encode())
any_bodies = st.lists(st.none() | st.binary(max_size=200) | near_events | st.just(body()), max_size=12)


@settings(max_examples=150, deadline=None)
@given(any_bodies)
def test_every_record_becomes_exactly_one_thing_whatever_its_bytes(bodies: list[bytes | None]) -> None:
    output = absorb(*bodies)
    counts, passed, dead = output.counts, enriched(output), letters(output)
    dropped = sum(counts.dropped.values())
    assert counts.read == len(bodies)
    assert counts.passed == len(passed)
    assert sum(counts.dead_lettered.values()) == len(dead)
    assert counts.read == counts.passed + len(dead) + dropped
    at = [event.raw_offset for event in passed], [letter.offset for letter in dead]
    assert at == (sorted(at[0]), sorted(at[1]))
    assert len({*at[0], *at[1]}) == len(bodies) - dropped
    for letter in dead:
        original = bodies[letter.offset] or b""
        assert (letter.size, letter.sha256) == (len(original), sha256(original).hexdigest())
        privacy = BodyPrivacy(Scrubber(), "drop")
        assert (letter.body, letter.scrubbed) == (privacy.apply(original), letter.body != original)
        assert letter.message.endswith(".")
        assert letter.step
    assert len({event.uuid for event in passed}) == len(passed)


def test_a_passed_event_is_keyed_by_its_user_and_its_hash_is_noted() -> None:
    output = absorb(body(distinct_id="ü"), b"broken")
    assert [key for key, _ in output.messages["events.enriched"]] == ["demo:ü".encode()]
    [(key, record)] = output.messages["seen"]
    assert key is None
    assert record is not None
    assert int.from_bytes(record[:8], "little") == RECEIVED_MS
    assert len(record) == 16


def test_a_batch_without_a_passed_event_notes_no_hash() -> None:
    assert set(absorb(b"broken", None).messages) == {"events.dlq", "enrich.state"}
    assert absorb().messages == {}


def test_a_dead_letter_says_where_it_was_and_why() -> None:
    record = RawRecord(body(distinct_id="null"), 41, key=b"k")
    output = opened(partition=3, partitions=7).absorb([record], 42)
    [(key, _)] = output.messages["events.dlq"]
    [letter] = letters(output)
    assert key == b"loopin.events.raw:3:41"
    assert msgspec.structs.asdict(letter) | {"message": ""} == {
        "reason": "distinct_id_forbidden",
        "field": "distinct_id",
        "step": "validate",
        "message": "",
        "topic": "loopin.events.raw",
        "topic_id": TOPIC_ID,
        "partition": 3,
        "offset": 41,
        "first_seen": RECEIVED_MS,
        "last_seen": RECEIVED_MS,
        "size": len(record.value or b""),
        "sha256": sha256(record.value or b"").hexdigest(),
        "body": record.value,
        "key": b"k",
        "project": "demo",
        "scrubbed": False,
    }


def test_a_dead_letters_body_is_cut_but_its_size_and_hash_are_the_wholes() -> None:
    whole = b"x" * (MAX_BODY_BYTES + 1)
    output = absorb(whole)
    [letter] = letters(output)
    assert (len(letter.body), letter.size, letter.truncated) == (MAX_BODY_BYTES, len(whole), True)
    assert letter.sha256 == sha256(whole).hexdigest()
    [wire] = values(output, "events.dlq")
    assert base64.b64decode(json.loads(wire)["body"]) == whole[:MAX_BODY_BYTES]


def test_private_text_is_not_kept_in_a_dead_letter_either() -> None:
    secret = {"text": "meet me at nine", "to": "u2"}
    for fields, reason in (
        ({"distinct_id": "null"}, "distinct_id_forbidden"),
        ({"distinct_id": 5}, "wrong_type"),
        ({"uuid": "no uuid"}, "uuid_invalid"),
    ):
        value = body(event="message_sent", properties=secret, **fields)
        [letter] = letters(absorb(value))
        assert letter.reason == reason
        assert b"nine" not in letter.body
        left = {"to": "u2", "$text_length": 15, "$sentiment": 0.0}
        assert json.loads(letter.body) == json.loads(value) | {"properties": left}
        assert (letter.size, letter.sha256) == (len(value), sha256(value).hexdigest())
        assert letter.scrubbed
    for other in (
        body(event="feedback_submitted", properties=secret, distinct_id="null"),
        body(event="message_sent", properties={"to": "u2"}, distinct_id="null"),
        body(event="click", properties="none"),
        b"no event",
    ):
        [letter] = letters(absorb(other))
        assert (letter.body, letter.scrubbed, letter.truncated) == (other, False, False)


def test_of_a_private_body_that_cannot_be_read_only_whose_it_is_is_kept() -> None:
    value = body(event="message_sent", properties={"text": "meet me at nine"})[:-20]
    [letter] = letters(absorb(value))
    who = {"project": "demo", "event": "message_sent", "uuid": UUID}
    assert json.loads(letter.body) == who
    assert (letter.size, letter.sha256) == (len(value), sha256(value).hexdigest())
    assert letter.scrubbed
    assert letter.truncated, "a replay looks for the whole record on the log"


def test_what_the_history_holds_is_a_duplicate() -> None:
    first = absorb(body())
    [record] = values(first, "seen")
    again = opened([RawRecord(record)]).absorb([RawRecord(body())], 1)
    assert again.counts.dropped == {"duplicate": 1}
    assert set(again.messages) == {"enrich.state"}, "it is counted as received"


def test_one_absorber_remembers_from_batch_to_batch() -> None:
    absorber = opened()
    assert absorber.absorb([RawRecord(body())], 1).counts.passed == 1
    assert absorber.absorb([RawRecord(body())], 1).counts.dropped == {"duplicate": 1}


def test_a_key_of_any_length_fits_its_dead_letter() -> None:
    record = RawRecord(b"broken", 0)
    record.key = b"k" * 3_000_000
    output = opened().absorb([record], 1)
    [letter] = letters(output)
    assert letter.key == b"k" * 1024
    assert (letter.reason, letter.body) == ("not_json", b"broken")


def test_a_dead_letter_says_whose_it_is_where_the_body_does() -> None:
    found = letters(absorb(b'{"project": "shop", "event": 5}', b'{"project": 7}', b"no", b"[1]"))
    assert [letter.project for letter in found] == ["shop", None, None, None]


@pytest.fixture
def ended() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_profiles_spill_into_a_folder_of_their_own_and_leave_nothing(tmp_path: Path) -> None:
    job = EnrichJob(EnrichOptions("loopin.", 1, spill_folder=tmp_path, cache_mb=1))
    absorber = job.open(0, TOPIC_ID)
    absorber.opened(Marker(topic_id=TOPIC_ID, position=0), {})
    absorber.absorb([RawRecord(body())], 1)
    assert [folder.name for folder in tmp_path.iterdir()] == [f"enrich-0-{os.getpid()}"]
    absorber.close()
    assert list(tmp_path.iterdir()) == []


def test_what_killed_processes_have_spilled_is_removed_and_nothing_else(tmp_path: Path, ended: int) -> None:
    running = f"enrich-1-{os.getppid()}"
    strange = ("enrich-0-later", "notes", f"enrich-{ended}", "enrich-0-" + "9" * 30)
    for name in (f"enrich-0-{ended}", f"enrich-7-{ended}", running, *strange):
        (tmp_path / name / "inner").mkdir(parents=True)
    absorber = EnrichJob(EnrichOptions("loopin.", 1, spill_folder=tmp_path, cache_mb=1)).open(0, TOPIC_ID)
    left = {folder.name for folder in tmp_path.iterdir()}
    assert left == {running, *strange, f"enrich-0-{os.getpid()}"}
    absorber.close()
