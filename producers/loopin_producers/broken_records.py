"""Records that no client should send, one of each kind, to show and to test what becomes of them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from loopin_schemas.validation import MAX_DEPTH, MAX_PROPERTIES_BYTES


def broken_records(project: str, seed: int = 14) -> Iterator[tuple[str, bytes, bytes]]:
    """Label, key and value of each; every one of them ends among the dead letters."""
    rng = random.Random(seed)
    for label, value in _values(project, rng):
        yield label, f"{project}:broken-{rng.randrange(1000):03d}".encode(), value


def _values(project: str, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    good: dict[str, Any] = {
        "project": project,
        "event": "event_viewed",
        "distinct_id": f"member-{rng.randrange(60):03d}",
        "properties": {"event_id": "event-01"},
    }

    def with_(**changes: Any) -> bytes:
        return json.dumps({**good, **changes}, ensure_ascii=False).encode()

    yield "empty", b""
    yield "not_json", b"event=event_viewed&user=17"
    yield "cut_short", with_()[:-9]
    yield "not_utf8", with_(event="event_viewed_#").replace(b"#", b"\xff\xfe")
    yield "missing_distinct_id", json.dumps({k: v for k, v in good.items() if k != "distinct_id"}).encode()
    yield "forbidden_distinct_id", with_(distinct_id="undefined")
    yield "wrong_type", with_(distinct_id=["member-001"])
    yield "properties_not_object", with_(properties=[1, 2])
    yield "not_a_number", with_(properties={"amount": float("nan")})
    yield "too_deep", with_(properties=_nested(MAX_DEPTH * 3))
    yield "null_byte", with_(properties={"note": "a\0b"})
    yield "year_1900", with_(timestamp="1900-01-01T00:00:00Z")
    yield "year_2200", with_(timestamp="2200-01-01T00:00:00Z")
    yield "properties_too_large", with_(properties={"note": "x" * MAX_PROPERTIES_BYTES})


def _nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"deeper": value}
    return value
