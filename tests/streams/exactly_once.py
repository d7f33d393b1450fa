"""What must be on the derived topics, by a plain reading of the raw log."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Sequence
from hashlib import blake2b, sha256
from typing import Any

from confluent_kafka import Message

from tests.streams.installation import Found


def event(user: str = "u1", **fields: Any) -> bytes:
    """A good event's body, each with a uuid of its own unless one is given."""
    body = {"project": "demo", "event": "click", "distinct_id": user, "uuid": str(uuid.uuid4())}
    return json.dumps(body | fields).encode()


def mixed_events(number: int, users: int = 40) -> list[tuple[str, bytes]]:
    """Good events with, now and then, a broken one or a repetition of that user's previous event."""
    bodies: list[tuple[str, bytes]] = []
    for at in range(number):
        user = f"u{at % users}"
        if at % 50 == 49:
            bodies.append((user, b"broken %d" % at))
        elif at % 30 == 29 and at >= users and bodies[at - users][1].startswith(b"{"):
            bodies.append((user, bodies[at - users][1]))
        else:
            bodies.append((user, event(user, properties={"at": at})))
    return bodies


def assert_exactly_once(found: Found) -> None:
    """Every raw record became exactly one enriched event, dead letter or drop, in order, and is counted so.

    A plain reading of the raw log, partition by partition, says what must be there.
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


def _assert_marker(
    markers: list[dict[str, Any]], raw: Sequence[Message], passed: int, dead: int, dropped: int
) -> None:
    if not raw:
        return
    positions = [marker["position"] for marker in markers]
    assert positions == sorted(set(positions)), "a marker went back or was written twice"
    assert positions[-1] >= raw[-1].offset() + 1
    counts = markers[-1]["counts"]
    assert counts["read"] == len(raw)
    assert counts.get("passed", 0) == passed
    assert sum(counts.get("dead_lettered", {}).values()) == dead
    assert sum(counts.get("dropped", {}).values()) == dropped


def raw_value(raw: Sequence[Message], offset: int) -> bytes:
    """The body of the raw record at ``offset``."""
    return next(record.value() or b"" for record in raw if record.offset() == offset)


def seen_hashes(value: bytes) -> list[int]:
    """The hashes in one record of ``seen``: eight bytes of time, then eight a hash, little-endian."""
    return [int.from_bytes(value[at : at + 8], "little") for at in range(8, len(value), 8)]


def uuid_hash(project: str, identity: str) -> int:
    return int.from_bytes(blake2b(f"{project}\0{identity}".encode(), digest_size=8).digest(), "little")
