"""Records that no client should send: each must end among the dead letters, exactly once."""

from __future__ import annotations

import json
from typing import Any


def poison_body(number: int) -> bytes:
    """A broken body; the kinds take turns, and ``number`` makes each one differ from the others."""
    return _KINDS[number % len(_KINDS)](number)


def _with(number: int, **changes: Any) -> bytes:
    event = {"project": "shop", "event": "event_viewed", "distinct_id": "user-1", "properties": {"n": number}}
    return json.dumps(event | changes, ensure_ascii=False).encode()


def _without(number: int, field: str) -> bytes:
    event = json.loads(_with(number))
    del event[field]
    return json.dumps(event).encode()


_KINDS = (
    lambda number: b"event=event_viewed&n=%d" % number,
    lambda number: _with(number)[:-1],
    lambda number: _with(number, event="view#").replace(b"#", b"\xff\xfe"),
    lambda number: _without(number, "distinct_id"),
    lambda number: _with(number, distinct_id="undefined"),
    lambda number: _with(number, distinct_id=["user-1"]),
    lambda number: _with(number, event="  "),
    lambda number: _with(number, project="no such project!"),
    lambda number: _with(number, properties=[number]),
    lambda number: _with(number, properties={"n": number, "amount": float("nan")}),
    lambda number: _with(number, properties={"n": number, "note": "a\0b"}),
    lambda number: _with(number, properties={"n": number, "note": "x" * 40_000}),
    lambda number: _with(number, timestamp="1900-01-01T00:00:00Z"),
    lambda number: _with(number, timestamp="half past nine"),
    lambda number: _with(number, uuid="00000000-0000-0000-0000-000000000000"),
)
