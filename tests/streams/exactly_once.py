"""What must be on the derived topics, by a plain reading of the raw log."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from hashlib import blake2b, sha256
from itertools import pairwise
from typing import Any

from confluent_kafka import Message

from tests.streams import plain_state
from tests.streams.installation import Found
from tests.streams.plain_state import DAY, HOUR, MINUTE, Arrived, Happened, Series


def event(user: str = "u1", **fields: Any) -> bytes:
    """A good event's body, each with a uuid of its own unless one is given."""
    body = {"project": "demo", "event": "click", "distinct_id": user, "uuid": str(uuid.uuid4())}
    return json.dumps(body | fields).encode()


def mixed_events(number: int, users: int = 40) -> list[tuple[str, bytes]]:
    """Good events with, now and then, a broken one or a repetition of that user's previous event.

    They are of all kinds that profiles and windows tell apart, some of them late or of a clock that is ahead.
    """
    now = int(time.time() * 1000)
    bodies: list[tuple[str, bytes]] = []
    for at in range(number):
        user = f"u{at % users}"
        if at % 50 == 49:
            bodies.append((user, b"broken %d" % at))
        elif at % 30 == 29 and at >= users and bodies[at - users][1].startswith(b"{"):
            bodies.append((user, bodies[at - users][1]))
        else:
            bodies.append((user, _varied(at, user, now)))
    return bodies


def _varied(at: int, user: str, now: int) -> bytes:
    properties: dict[str, Any] = {"at": at}
    fields: dict[str, Any] = {"properties": properties}
    if at % 11 == 5:
        fields["event"] = "ticket_purchased"
        properties |= {"amount": at / 4, "currency": ("INR", "eur", "", "much")[at % 4]}
    elif at % 13 == 7:
        fields["event"] = "payment_refunded"
        properties |= {"amount": str(at)}
    elif at % 17 == 3:
        fields["event"] = "api_request"
    if at % 7 == 2:
        properties["country"] = ("IN", "DE", "")[at % 3]
    if at % 19 == 4:
        properties["review"] = ("I love it, it is great!", "Terrible, I hate it")[at % 2]
    if at % 9 == 4:
        fields["timestamp"] = now - at % 50 * MINUTE
    elif at % 23 == 6:
        fields["timestamp"] = now - (at % 60) * HOUR
    elif at % 101 == 8:
        fields["timestamp"] = now + 5 * HOUR
    elif at % 103 == 10:
        fields["timestamp"] = now - 4 * DAY
    return event(user, **fields)


def assert_exactly_once(found: Found) -> None:
    """Every raw record became exactly one enriched event, dead letter or drop, in order, and is counted so.

    A plain reading of the raw log, partition by partition, says what must be there; so it does of profiles
    and windows.
    """
    for partition, raw in enumerate(found.raw):
        passed, dead, dropped, known = [], [], 0, set()
        for record in raw:
            try:
                identity = json.loads(record.value() or b"")["uuid"]
            except ValueError:
                dead.append(record.offset())
                continue
            if identity in known:
                dropped += 1
            else:
                known.add(identity)
                passed.append(record.offset())
        enriched = found.enriched[partition]
        assert [(e["_raw_partition"], e["_raw_offset"]) for e in enriched] == [(partition, o) for o in passed]
        assert [(d["partition"], d["offset"]) for d in found.dlq[partition]] == [(partition, o) for o in dead]
        for letter in found.dlq[partition]:
            original = raw_value(raw, letter["offset"])
            assert base64.b64decode(letter["body"]) == original
            assert letter["sha256"] == sha256(original).hexdigest()
        _assert_marker(found.state[partition], raw, len(passed), len(dead), dropped)
        hashes = [h for value in found.seen[partition] for h in seen_hashes(value)]
        assert len(hashes) == len(set(hashes)) == len(known)
        assert set(hashes) == {uuid_hash("demo", identity) for identity in known}
        _assert_state(found, partition, set(passed), set(dead))
    _assert_sums(found)


def _assert_marker(
    markers: list[dict[str, Any]], raw: Sequence[Message], passed: int, dead: int, dropped: int
) -> None:
    if not raw:
        return
    positions = [marker["position"] for marker in markers]
    assert positions == sorted(positions), "a marker went back"
    for before, after in pairwise(markers):
        if after["position"] == before["position"]:
            rest = {"watermark": 0, "commits": 0}
            assert after | rest == before | rest, "something was counted though nothing was read"
    assert positions[-1] >= raw[-1].offset() + 1
    counts = markers[-1]["counts"]
    assert counts["read"] == len(raw)
    assert counts.get("passed", 0) == passed
    assert sum(counts.get("dead_lettered", {}).values()) == dead
    assert sum(counts.get("dropped", {}).values()) == dropped


def _assert_state(found: Found, partition: int, passed: set[int], dead: set[int]) -> None:
    """Profiles, published windows, watermark and lateness, against a plain computation over the log."""
    raw, markers = found.raw[partition], found.state[partition]
    events: dict[int, Happened] = {}
    arrived: dict[int, Arrived] = {}
    for record in raw:
        offset, received = record.offset(), record.timestamp()[1]
        arrived[offset] = Arrived("demo", received)
        if offset in dead:
            arrived[offset] = Arrived("", received, "not_json")
        elif offset in passed:
            events[offset] = _happened(record, received, _before(markers, offset))
    assert {user: plain_state.profile_in(one) for user, one in found.profiles[partition].items()} == (
        plain_state.profiles(events.values())
    )
    late = [plain_state.longest_missed(event) for event in events.values()]
    assert [e.get("late") for e in found.enriched[partition]] == late
    if markers:
        assert markers[-1]["counts"].get("late", {}) == {g: late.count(g) for g in {*late} - {None}}
    _assert_watermark(raw, markers, found.state_ms[partition], events)
    end = found.published()[partition]
    expected = plain_state.shares(event for offset, event in events.items() if offset < end)
    operations = plain_state.operations(one for offset, one in arrived.items() if offset < end)
    assert found.shares()[partition] == expected | operations


def _happened(record: Message, received: int, watermark: int | None) -> Happened:
    body = json.loads(record.value() or b"")
    at = body.get("timestamp", received)
    return Happened(
        body["project"],
        body["distinct_id"],
        body["event"],
        received if at - received > 23 * HOUR else at,
        received,
        body.get("properties", {}),
        watermark,
    )


def _before(markers: Sequence[dict[str, Any]], offset: int) -> int | None:
    """The watermark that a record's batch was judged by."""
    earlier = [marker for marker in markers if marker["position"] <= offset]
    return earlier[-1].get("watermark") if earlier else None


def _assert_watermark(
    raw: Sequence[Message],
    markers: Sequence[dict[str, Any]],
    written_ms: Sequence[int],
    events: Mapping[int, Happened],
) -> None:
    """It follows the events of each batch, and the clock only where nothing else was to be read.

    A batch in which no event passed moves it by its append times.
    """
    position, watermark = 0, None
    for marker, at in zip(markers, written_ms, strict=True):
        batch = [event for offset, event in events.items() if position <= offset < marker["position"]]
        appended = [r.timestamp()[1] for r in raw if position <= (r.offset() or 0) < marker["position"]]
        expected = plain_state.moved_on(watermark, batch, () if batch else appended)
        if marker.get("watermark") != expected:
            assert marker["position"] == position, "a batch moves the watermark by itself only"
            followed = marker["watermark"] + plain_state.ALLOWED_LATENESS
            assert followed <= at, "the watermark is ahead of the clock"
            assert marker["watermark"] > (watermark or 0)
            # Who is asked for the log's end answers of what it has by then.
            assert all(r.timestamp()[1] >= followed for r in raw if r.offset() >= position)
        position, watermark = marker["position"], marker.get("watermark")


def _assert_sums(found: Found) -> None:
    """What was added up is what was published, or was so before: no sum was ever that of some partitions."""
    expected = plain_state.added_up(found.shares())
    for series, numbers in found.sums().items():
        assert numbers.number <= expected[series].number
    counts: dict[Series, list[tuple[int, int]]] = {}
    for one in (one for part in found.metrics for one in part):
        about = one["metric"], one.get("dimension", ""), one.get("value", "")
        series = Series(one["project"], one["grain"], one["start"], *about)
        counts.setdefault(series, []).append((one["revision"], one["count"]))
    for series, by_revision in counts.items():
        in_time = [number for _, number in sorted(by_revision)]
        assert in_time == sorted(in_time), f"{series} lost some for a while"


def raw_value(raw: Sequence[Message], offset: int) -> bytes:
    """The body of the raw record at ``offset``."""
    return next(record.value() or b"" for record in raw if record.offset() == offset)


def seen_hashes(value: bytes) -> list[int]:
    """The hashes in one record of ``seen``: eight bytes of time, then eight a hash, little-endian."""
    return [int.from_bytes(value[at : at + 8], "little") for at in range(8, len(value), 8)]


def uuid_hash(project: str, identity: str) -> int:
    return int.from_bytes(blake2b(f"{project}\0{identity}".encode(), digest_size=8).digest(), "little")
