"""A repair: an event of nobody's is a user's."""

from __future__ import annotations

from typing import Any

from loopin_schemas.dead_letter import DeadLetter


def fix(event: dict[str, Any], letter: DeadLetter) -> dict[str, Any]:
    if event["distinct_id"] == "null":
        event["distinct_id"] = f"u{letter.offset}"
    return event
