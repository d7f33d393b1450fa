"""Bad input among good events, through a real worker: each ends in the dead letters, its neighbours pass."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import sha256

import pytest
from confluent_kafka import Producer

from tests.streams.conftest import Install
from tests.streams.exactly_once import event
from tests.streams.installation import Found

CUT = 256 * 1024


def nested(levels: int) -> bytes:
    return b'{"project":"demo","event":"e","distinct_id":"u","properties":%s1%s}' % (
        b'{"a":' * levels,
        b"}" * levels,
    )


def raw(field: bytes, value: bytes) -> bytes:
    return b'{"project":"demo","event":"e","distinct_id":"u",%s:%s}' % (field, value)


BAD: dict[str, tuple[bytes | None, str, str | None]] = {
    "tombstone": (None, "empty_body", None),
    "empty": (b"", "empty_body", None),
    "not JSON": (b"hello", "not_json", None),
    "cut JSON": (event()[:-5], "not_json", None),
    "two objects": (event() + event(), "not_json", None),
    "an array": (b"[" + event() + b"]", "wrong_type", None),
    "null": (b"null", "wrong_type", None),
    "invalid UTF-8": (event().replace(b"click", b"cl\xffck"), "not_utf8", None),
    "UTF-16": (event().decode().encode("utf-16"), "not_utf8", None),
    "NaN": (raw(b'"properties"', b'{"a":NaN}'), "not_json", None),
    "Infinity": (raw(b'"properties"', b'{"a":-Infinity}'), "not_json", None),
    "NaN as time": (raw(b'"timestamp"', b"NaN"), "not_json", None),
    "missing event": (b'{"project":"demo","distinct_id":"u"}', "missing_field", "event"),
    "missing id": (b'{"project":"demo","event":"e"}', "missing_field", "distinct_id"),
    "missing project": (b'{"event":"e","distinct_id":"u"}', "missing_field", "project"),
    "number as id": (event(distinct_id=5), "wrong_type", "distinct_id"),
    "object as event": (event(event={}), "wrong_type", "event"),
    "bool as time": (event(timestamp=True), "wrong_type", "timestamp"),
    "text as properties": (event(properties="a"), "properties_not_object", "properties"),
    "unknown source": (event(source="nobody"), "wrong_value", "source"),
    "forbidden id": (event(distinct_id="[object Object]"), "distinct_id_forbidden", "distinct_id"),
    "long id": (event(distinct_id="x" * 201), "distinct_id_too_long", "distinct_id"),
    "NUL in the id": (event(distinct_id="a\0b"), "null_byte", "distinct_id"),
    "NUL in properties": (event(properties={"a": "\0"}), "null_byte", "properties"),
    "raw NUL byte": (event() + b"\0", "not_json", None),
    "1 MB": (event(properties={"a": "x" * 1_000_000}), "too_large", None),
    "1 MB of nothing": (b"\0" * 1_000_000, "too_large", None),
    "40 KB of properties": (event(properties={"a": "x" * 40_000}), "properties_too_large", "properties"),
    "21 levels": (nested(21), "too_deep", "properties"),
    "10,000 levels": (nested(10_000), "too_deep", None),
    "huge number": (raw(b'"timestamp"', b"9" * 400), "timestamp_invalid", "timestamp"),
    "year 1900": (event(timestamp="1900-01-01T00:00:00Z"), "timestamp_out_of_range", "timestamp"),
    "year 2200": (event(timestamp="2200-01-01T00:00:00Z"), "timestamp_out_of_range", "timestamp"),
    "seconds as time": (event(timestamp=1_700_000_000), "timestamp_out_of_range", "timestamp"),
    "no time": (event(timestamp="soon"), "timestamp_invalid", "timestamp"),
    "no sent_at": (event(sent_at="soon"), "timestamp_invalid", "sent_at"),
    "no uuid": (event(uuid="42"), "uuid_invalid", "uuid"),
}


@dataclass
class Outcome:
    """All bad records in one partition, at the odd offsets; good ones at the even ones."""

    found: Found
    offsets: dict[str, int]


@pytest.fixture(scope="module")
def outcome(install: Install) -> Outcome:
    installation = install()
    producer = Producer(
        {
            "bootstrap.servers": installation.settings.kafka_bootstrap,
            "message.max.bytes": 2_000_000,
            # Without it a retry may change the order.
            "enable.idempotence": True,
        }
    )
    topic = installation.settings.topic("events.raw")
    for value, _, _ in BAD.values():
        producer.produce(topic, event(), key=b"demo:u1", partition=0)
        producer.produce(topic, value, partition=0)
    producer.produce(topic, event(), key=b"demo:u1", partition=0)
    assert producer.flush(30) == 0
    installation.start()
    installation.wait_absorbed(2 * len(BAD) + 1)
    return Outcome(installation.read_all(), {name: 2 * at + 1 for at, name in enumerate(BAD)})


@pytest.mark.parametrize("name", BAD)
def test_it_ends_in_the_dead_letters_with_reason_field_size_hash_and_bytes(
    outcome: Outcome, name: str
) -> None:
    value, reason, field = BAD[name]
    body, offset = value or b"", outcome.offsets[name]
    [letter] = [found for found in outcome.found.dlq[0] if found["offset"] == offset]
    assert (letter["reason"], letter.get("field")) == (reason, field)
    assert (letter["size"], letter["sha256"]) == (len(body), sha256(body).hexdigest())
    assert base64.b64decode(letter["body"]) == body[:CUT]
    assert letter["message"].endswith(".")
    assert (letter["partition"], letter["topic"][-10:]) == (0, "events.raw")
    assert letter["first_seen"] == letter["last_seen"] > 1_700_000_000_000


def test_the_good_events_around_them_pass(outcome: Outcome) -> None:
    good = [each["_raw_offset"] for each in outcome.found.enriched[0]]
    assert good == list(range(0, 2 * len(BAD) + 1, 2))
    assert len(outcome.found.dlq[0]) == len(BAD)


def test_the_counts_say_so_by_reason(outcome: Outcome) -> None:
    counts = outcome.found.state[0][-1]["counts"]
    reasons = [reason for _, reason, _ in BAD.values()]
    assert counts["dead_lettered"] == {reason: reasons.count(reason) for reason in reasons}
    assert (counts["read"], counts["passed"]) == (2 * len(BAD) + 1, len(BAD) + 1)


def test_a_dead_letters_project_is_known_once_the_event_is_decoded(outcome: Outcome) -> None:
    projects = {letter["reason"]: letter.get("project") for letter in outcome.found.dlq[0]}
    assert (projects["not_json"], projects["distinct_id_forbidden"]) == (None, "demo")
