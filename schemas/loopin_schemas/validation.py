"""The exact limits of an event, the same in the client, in the stream and in the API.

Every check raises ``InvalidEvent`` with a stable code, the field at fault and one sentence. Characters are
Unicode code points, sizes are bytes of UTF-8 JSON as received.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

from loopin_schemas.codec import decoder
from loopin_schemas.errors import InvalidEvent
from loopin_schemas.event import NO_PROPERTIES, Event
from loopin_schemas.timestamps import parse_timestamp

MAX_TEXT = 200
"""Longest event name, distinct_id and session_id, in characters."""

MAX_PROPERTIES_BYTES = 32 * 1024
MAX_EVENT_BYTES = 64 * 1024
MAX_DEPTH = 20
"""Deepest nesting of properties; the object itself is level 1, each object or array within adds one."""

MAX_DISTANCE_MS = 1827 * 86_400_000
"""Furthest an event's time may lie from its arrival: five calendar years, which hold up to two leap days."""

FORBIDDEN_DISTINCT_IDS = frozenset(
    {
        # What client bugs send in place of an id; the first three rows are PostHog's list.
        *("anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email"),
        *("undefined", "true", "false", "[object object]", "nan"),
        *("none", "null", "0"),
        *("", "nil", "empty", "anonymous_id", "user"),
        # What a scrub of personal data leaves of one.
        *("[email]", "[phone]", "[card]", "[token]"),
    }
)
"""Ids that would merge strangers into one user; compared in lower case, without quotes and blanks around."""

_BLANKS_AND_QUOTES = " \t\n\r\f\v\x85\xa0\u200b\u2028\u2029\u3000\ufeff\"'`"
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_PROJECT = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_PLACE = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}:[0-9]{1,10}:[0-9]{1,19}")
_NIL_UUID = "00000000-0000-0000-0000-000000000000"
_BACKSLASH = ord("\\")
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_PATH = re.compile(r" - at `\$\.?(?:\[\.\.\.\][^`]*|([^`]*?)(?:\[\.\.\.\][^`]*)?)`$")
_TYPES = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_MISSING = re.compile(r"missing required field `([^`]+)`")

_decode_event = decoder(Event).decode
_decode_object = decoder(dict[str, Any]).decode


def decode_event(body: bytes) -> Event:
    """Decode one event; its properties stay encoded, and its uuid is in lower case.

    Raises:
        InvalidEvent: ``too_large``, ``not_json``, ``not_utf8``, ``missing_field``, ``wrong_type``,
            ``wrong_value``, ``number_out_of_range`` or ``too_deep``.
    """
    check_size(body)
    try:
        event = _decode_event(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise decoding_error(error, body, None) from None
    if event.uuid is not None:
        event.uuid = event.uuid.lower()
    return event


def validate(event: Event) -> dict[str, Any]:
    """Check every field of a decoded event and return its properties, so that they are decoded once.

    Raises:
        InvalidEvent: the first field at fault.
    """
    properties = check_fields(event)
    if event.timestamp is not None:
        parse_timestamp(event.timestamp, "timestamp")
    if event.sent_at is not None:
        parse_timestamp(event.sent_at, "sent_at")
    return properties


def check_fields(event: Event) -> dict[str, Any]:
    """``validate`` without the times, for a caller that parses those itself."""
    check_names(event)
    return check_properties(event.properties)


def check_names(event: Event) -> None:
    """``check_fields`` without the properties, for a caller that has just encoded them itself."""
    _known_project(event.project)
    known_event_name(event.event)
    check_distinct_id(event.distinct_id)
    if event.uuid is not None:
        check_uuid(event.uuid)
    if event.session_id is not None:
        check_session_id(event.session_id)
    if event.parent_uuid is not None:
        check_uuid(event.parent_uuid, "parent_uuid")
    if event.origin is not None:
        check_origin(event.origin)


def check_event_name(value: object) -> None:
    """1 to 200 characters, not blank, without control characters."""
    _check_text(value, "event", "event_name")


def check_distinct_id(value: object) -> None:
    """As an event name, and not one of ``FORBIDDEN_DISTINCT_IDS``."""
    text = _check_text(value, "distinct_id", "distinct_id")
    if text.strip(_BLANKS_AND_QUOTES).lower() in FORBIDDEN_DISTINCT_IDS:
        raise InvalidEvent(
            "distinct_id_forbidden",
            "distinct_id",
            f"The distinct_id {text[:40]!r} would merge unrelated users; send the id of one user or device.",
        )


def check_session_id(value: object) -> None:
    """As an event name."""
    _check_text(value, "session_id", "session_id")


def check_project(value: object) -> None:
    """1 to 64 of the characters A-Z, a-z, 0-9, ``_``, ``.`` and ``-``."""
    if not isinstance(value, str):
        raise _wrong_type("project", "text")
    if not _PROJECT.fullmatch(value):
        raise InvalidEvent(
            "project_invalid",
            "project",
            "The project must be 1 to 64 letters, digits, dots, underscores or dashes.",
        )


# Few names come again and again; a failed check raises, which is not remembered.
_known_project = lru_cache(1024)(check_project)
known_event_name = lru_cache(4096)(check_event_name)
"""``check_event_name`` of a text."""


def check_uuid(value: object, field: str = "uuid") -> None:
    """A UUID in its usual text form, in either case; the nil UUID would make all events duplicates."""
    if not isinstance(value, str):
        raise _wrong_type(field, "text")
    if not _UUID.fullmatch(value) or value == _NIL_UUID:
        raise InvalidEvent(
            "uuid_invalid",
            field,
            f"The {field} is not a UUID; send 8-4-4-4-12 hexadecimal digits, or leave it out.",
        )


def check_origin(value: object) -> None:
    """The place of a record: ``topic_id:partition:offset``."""
    if not isinstance(value, str):
        raise _wrong_type("_origin", "text")
    if not _PLACE.fullmatch(value):
        raise InvalidEvent(
            "origin_invalid",
            "_origin",
            "The _origin is not the place of a record; leave it out, `loopin dlq replay` sets it.",
        )


def check_properties(raw: bytes | msgspec.Raw) -> dict[str, Any]:
    """Decode properties: a JSON object of at most 32 KB and 20 levels, without NUL characters.

    Raises:
        InvalidEvent: ``properties_too_large``, ``properties_not_object``, ``null_byte``, ``too_deep``,
            ``not_json``, ``not_utf8`` or ``number_out_of_range``.
    """
    if raw is NO_PROPERTIES:
        return {}
    body = bytes(raw)
    if len(body) > MAX_PROPERTIES_BYTES:
        raise _properties_too_large(len(body))
    try:
        properties = _decode_object(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _properties_error(error, body) from None
    _check_no_nul(body)
    # Text may hold brackets too, so a greater count only calls for a look.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _deeper_than(properties, MAX_DEPTH):
        raise _too_deep("properties")
    return properties


def check_encoded_properties(body: bytes) -> None:
    """``check_properties`` of what a caller has just encoded: an object, nested no deeper than allowed.

    Raises:
        InvalidEvent: ``properties_too_large`` or ``null_byte``.
    """
    if len(body) > MAX_PROPERTIES_BYTES:
        raise _properties_too_large(len(body))
    _check_no_nul(body)


def _properties_too_large(size: int) -> InvalidEvent:
    return InvalidEvent(
        "properties_too_large",
        "properties",
        f"The properties take {size} bytes; send at most {MAX_PROPERTIES_BYTES}.",
    )


def _check_no_nul(body: bytes) -> None:
    # Most bodies hold no escape at all; as a number, because `b"\\" in body` takes ten times as long.
    if _BACKSLASH in body and b"\\u0000" in body and _ESCAPED_NUL.search(body):
        raise InvalidEvent("null_byte", "properties", "The properties hold a NUL character; remove it.")


def check_size(body: bytes) -> None:
    """At most 64 KB for a whole event."""
    if len(body) > MAX_EVENT_BYTES:
        raise InvalidEvent(
            "too_large", None, f"The event takes {len(body)} bytes; send at most {MAX_EVENT_BYTES}."
        )


def check_event_time(timestamp_ms: int, received_ms: int) -> None:
    """Within five years of arrival, before or after; both in epoch milliseconds."""
    if -MAX_DISTANCE_MS <= timestamp_ms - received_ms <= MAX_DISTANCE_MS:
        return
    in_seconds = abs(timestamp_ms * 1000 - received_ms) <= MAX_DISTANCE_MS
    advice = "send milliseconds, not seconds" if in_seconds else "correct the client's clock or its import"
    raise InvalidEvent(
        "timestamp_out_of_range",
        "timestamp",
        f"The timestamp is more than five years from the event's arrival; {advice}.",
    )


def _check_text(value: object, field: str, code: str) -> str:
    if not isinstance(value, str):
        raise _wrong_type(field, "text")
    # The cheap questions, which almost every text answers; isprintable also says no to allowed characters,
    # such as a no-break space.
    if 0 < len(value) <= MAX_TEXT and value.isprintable() and not value.isspace():
        return value
    if not value or value.isspace():
        raise InvalidEvent(f"{code}_empty", field, f"The {field} is empty; send 1 to {MAX_TEXT} characters.")
    if len(value) > MAX_TEXT:
        raise InvalidEvent(
            f"{code}_too_long", field, f"The {field} has {len(value)} characters; send at most {MAX_TEXT}."
        )
    if found := _UNSAFE.search(value):
        if found[0] == "\0":
            raise InvalidEvent("null_byte", field, f"The {field} holds a NUL character; remove it.")
        raise InvalidEvent(
            f"{code}_control_character",
            field,
            f"The {field} holds the control character U+{ord(found[0]):04X}; remove it.",
        )
    return value


def _deeper_than(value: Any, levels: int) -> bool:
    """Whether objects and arrays nest deeper than so many levels."""
    if not isinstance(value, dict | list):
        return False
    if levels == 0:
        return True
    inner = value.values() if isinstance(value, dict) else value
    return any(_deeper_than(child, levels - 1) for child in inner)


def _properties_error(error: Exception, body: bytes) -> InvalidEvent:
    found = decoding_error(error, body, "properties")
    if found.code == "wrong_type":
        return InvalidEvent(
            "properties_not_object", "properties", "The properties are not a JSON object; send {} for none."
        )
    return found


def decoding_error(error: Exception, body: bytes, field: str | None, whole: str = "event") -> InvalidEvent:
    """Our error for one of msgspec's, with the path that its message names; ``whole`` is what the body is."""
    if isinstance(error, RecursionError):
        return _too_deep(field)
    if isinstance(error, msgspec.ValidationError):
        return _type_error(str(error), field, whole)
    try:
        body.decode()
    except UnicodeDecodeError as fault:
        return InvalidEvent(
            "not_utf8", field, f"The text is not UTF-8 (byte {fault.start}); encode it as UTF-8."
        )
    reason = f"This is not JSON ({str(error).removeprefix('JSON is malformed: ')})"
    if b"NaN" in body or b"Infinity" in body:
        return InvalidEvent("not_json", field, f"{reason}; JSON knows no NaN or Infinity, send null.")
    return InvalidEvent("not_json", field, f"{reason}; send one JSON object.")


def _type_error(message: str, field: str | None, whole: str) -> InvalidEvent:
    if missing := _MISSING.search(message):
        return InvalidEvent("missing_field", missing[1], f"The field {missing[1]} is missing; add it.")
    path = _PATH.search(message)
    what = message[: path.start()] if path else message
    where = field or (path[1] if path else None) or None
    named = f"field {where}" if where else whole
    if "out of range" in what:
        return InvalidEvent(
            "number_out_of_range", where, f"A number in the {named} is too large; send it as text."
        )
    if what.startswith("Invalid enum value"):
        return InvalidEvent(
            "wrong_value", where, f"The {named} has a value that is not one of those allowed."
        )
    if types := _TYPES.search(what):
        subject = f"A value in the {named}" if path and not where else f"The {named}"
        reason = f"{subject} is {_WORDS.get(types[2], types[2])}; send {_any_of(types[1])}."
    else:
        reason = f"The {named} has the wrong type."
    return InvalidEvent("wrong_type", where, reason)


_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "a JSON object",
    "array": "an array",
}
"""What msgspec calls the types of JSON, in words."""


def _any_of(types: str) -> str:
    """The types of msgspec's message, without null, which is said by leaving the field out."""
    names = [name for name in types.split(" | ") if name != "null"]
    if "float" in names and "int" in names:
        names.remove("int")
    return " or ".join(_WORDS.get(name, name) for name in names)


def _wrong_type(field: str, expected: str) -> InvalidEvent:
    return InvalidEvent("wrong_type", field, f"The {field} has the wrong type; send {expected}.")


def _too_deep(field: str | None) -> InvalidEvent:
    return InvalidEvent(
        "too_deep",
        field,
        f"The {f'field {field}' if field else 'event'} is nested too deeply; "
        f"flatten it to at most {MAX_DEPTH} levels.",
    )
