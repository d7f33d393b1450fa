"""What PostHog's version 0 mends in an event instead of refusing it; its clients count on that unread."""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec import Raw

from loopin_api.ingest.claims import Note
from loopin_api.ingest.incoming import as_text
from loopin_schemas.codec import encode
from loopin_schemas.validation import MAX_DEPTH, MAX_TEXT

CUT: Final = "cut"
CONTROL_CHARACTERS: Final = "control_characters"
ID_WRITTEN: Final = "distinct_id_written"

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NUL: Final = b"\\u0000"

_IDS: Final = ("distinct_id", "$distinct_id")


def as_posthog_keeps(said: dict[str, Any], raw: Raw, notes: list[Note]) -> dict[str, Any]:
    """The event with names and ids of at most 200 characters and without control characters.

    Ids that are no text are written as text, and NUL characters taken out of properties. ``notes`` says of
    what was mended.
    """
    kept = dict(said)
    if _NUL in bytes(raw):
        kept = {
            name: value if name in ("event", *_IDS) else _without_nul(value) for name, value in said.items()
        }
        if kept != said:
            notes.append(Note(CONTROL_CHARACTERS, "NUL characters were taken out."))
    _mend(kept, "event", notes)
    for name in _IDS:
        _mend_id(kept, name, notes)
    properties = kept.get("properties")
    if isinstance(properties, dict):
        kept["properties"] = properties = dict(properties)
        for name in _IDS:
            _mend_id(properties, name, notes)
    return kept


def _mend_id(fields: dict[str, Any], name: str, notes: list[Note]) -> None:
    value = fields.get(name)
    if value is not None and as_text(value) is None:
        fields[name] = encode(value).decode()
        notes.append(Note(ID_WRITTEN, f"The {name} is no text; it was written as text."))
    _mend(fields, name, notes)


def _mend(fields: dict[str, Any], name: str, notes: list[Note]) -> None:
    """A text without control characters, and cut; nothing else is touched."""
    value = fields.get(name)
    if not isinstance(value, str):
        return
    text = _CONTROL.sub("", value)
    if text != value:
        notes.append(Note(CONTROL_CHARACTERS, f"Control characters were taken out of the {name}."))
    if len(text) > MAX_TEXT:
        notes.append(Note(CUT, f"The {name} was cut to {MAX_TEXT} characters."))
    fields[name] = text[:MAX_TEXT]


def _without_nul(value: Any, levels: int = MAX_DEPTH) -> Any:
    """The value, as it is from so many levels on: properties that nest deeper are refused."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if levels and isinstance(value, list):
        return [_without_nul(item, levels - 1) for item in value]
    if levels and isinstance(value, dict):
        return {name.replace("\0", ""): _without_nul(item, levels - 1) for name, item in value.items()}
    return value
