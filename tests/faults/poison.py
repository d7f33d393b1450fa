"""Records that no client should send: each must end among the dead letters, exactly once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

ALARMING = "gym"
"""The project whose records are all refused."""


class Refused(NamedTuple):
    """Why a record must be refused: the stable code, and the project that it names (empty for none)."""

    project: str
    reason: str


def poison(number: int) -> tuple[bytes, Refused]:
    """A broken body; the kinds take turns, and ``number`` makes each one differ from the others."""
    project, reason, body = _KINDS[number % len(_KINDS)]
    return body(number), Refused(project, reason)


def alarming(number: int) -> tuple[bytes, Refused]:
    """A broken body of a project that sends no others."""
    body = json.loads(_without(number, "distinct_id")) | {"project": ALARMING}
    return json.dumps(body).encode(), Refused(ALARMING, "missing_field")


def _with(number: int, **changes: Any) -> bytes:
    event = {"project": "shop", "event": "event_viewed", "distinct_id": "user-1", "properties": {"n": number}}
    return json.dumps(event | changes, ensure_ascii=False).encode()


def _without(number: int, field: str) -> bytes:
    event = json.loads(_with(number))
    del event[field]
    return json.dumps(event).encode()


_KINDS: tuple[tuple[str, str, Callable[[int], bytes]], ...] = (
    ("", "not_json", lambda number: b"event=event_viewed&n=%d" % number),
    ("", "not_json", lambda number: _with(number)[:-1]),
    ("shop", "not_utf8", lambda number: _with(number, event="view#").replace(b"#", b"\xff\xfe")),
    ("shop", "missing_field", lambda number: _without(number, "distinct_id")),
    ("shop", "distinct_id_forbidden", lambda number: _with(number, distinct_id="undefined")),
    ("shop", "wrong_type", lambda number: _with(number, distinct_id=["user-1"])),
    ("shop", "event_name_empty", lambda number: _with(number, event="  ")),
    ("", "project_invalid", lambda number: _with(number, project="no such project!")),
    ("shop", "properties_not_object", lambda number: _with(number, properties=[number])),
    ("", "not_json", lambda number: _with(number, properties={"n": number, "amount": float("nan")})),
    ("shop", "null_byte", lambda number: _with(number, properties={"n": number, "note": "a\0b"})),
    (
        "shop",
        "properties_too_large",
        lambda number: _with(number, properties={"n": number, "note": "x" * 40_000}),
    ),
    ("shop", "timestamp_out_of_range", lambda number: _with(number, timestamp="1900-01-01T00:00:00Z")),
    ("shop", "timestamp_invalid", lambda number: _with(number, timestamp="half past nine")),
    ("shop", "uuid_invalid", lambda number: _with(number, uuid="00000000-0000-0000-0000-000000000000")),
)
"""Project, reason and body; what is no JSON object names no project."""
