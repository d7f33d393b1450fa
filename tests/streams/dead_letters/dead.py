"""Dead letters as tests make them."""

from __future__ import annotations

import json
from typing import Any

from loopin_schemas.dead_letter import DeadLetter, fingerprint

TOPIC_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
UUID = "01a2b3c4-0000-7000-8000-00000000000a"
FIRST_MS = 1_800_000_000_000
"""When the record of a letter arrived."""


def body(**fields: Any) -> bytes:
    """A good event, with some fields changed; ``...`` leaves one out."""
    event = {"project": "demo", "event": "click", "distinct_id": "u1", "uuid": UUID} | fields
    return json.dumps({name: value for name, value in event.items() if value is not ...}).encode()


def letter(value: bytes, **fields: Any) -> DeadLetter:
    """The letter of a record that arrived at ``FIRST_MS`` in partition 3, offset 7."""
    known: dict[str, Any] = {
        "reason": "not_json",
        "step": "decode",
        "message": "This is not JSON.",
        "topic": "loopin.events.raw",
        "topic_id": TOPIC_ID,
        "partition": 3,
        "offset": 7,
        "first_seen": FIRST_MS,
        "last_seen": FIRST_MS,
        "size": len(value),
        "sha256": fingerprint(value),
        "body": value,
    }
    return DeadLetter(**(known | fields))
