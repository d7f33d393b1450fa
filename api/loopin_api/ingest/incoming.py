"""What stands in the bodies of ingestion requests, found without building more than its parts.

A body is scanned, not read: the texts of its events stay slices of it, at most ``MAX_EVENTS`` of them, and
each is decoded alone. So one that breaks a rule leaves its neighbours whole, and a body that would take
gigabytes as Python objects takes none.
"""

from __future__ import annotations

import codecs
import re
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from loopin_api.errors import ApiError
from loopin_schemas import InvalidEvent
from loopin_schemas.validation import MAX_EVENT_BYTES, check_size, decoding_error

MAX_EVENTS: Final = 1_000
"""Most events of one request."""

NOTHING: Final = Raw(b"null")

T = TypeVar("T")

_LONG: Final = 2**63
"""Longer numbers are no ids, and Python refuses to write the longest."""

_Slots: Final = msgspec.defstruct(
    # Elements beyond the last field are skipped without a trace; the last says that there are too many.
    "_Slots",
    [(f"e{index}", Raw | UnsetType, UNSET) for index in range(MAX_EVENTS + 1)],
    array_like=True,
    gc=False,
)
_slots: Final = msgspec.json.Decoder(_Slots)


def elements(array: bytes | Raw, field: str | None = None) -> list[Raw]:
    """The elements of a JSON array, undecoded; ``field`` is where in the body it stands.

    Raises:
        ApiError: 400 where it is missing or no array, 413 where it has more than ``MAX_EVENTS``.
    """
    if field is not None and bytes(memoryview(array)[:5]) == b"null":
        raise ApiError(400, "MALFORMED_JSON", f"The field {field} is missing; add it.")
    items = scan(_slots, array, f"field {field}" if field else "body")
    found = [item for item in msgspec.structs.astuple(items) if item is not UNSET]
    if len(found) > MAX_EVENTS:
        raise ApiError(413, "TOO_MANY_EVENTS", f"Send at most {MAX_EVENTS} events in a request.")
    return found


_anything: Final = msgspec.json.Decoder(Raw)
_SURROGATES: Final = (rb"\ud", rb"\uD")
_NO_NUMBERS: Final = (b"NaN", b"Infinity")

MAX_REPAIRS: Final = 10_000
"""Most values or characters of a body that are replaced because no reader of JSON takes them."""

# Each finds a few KB at most: another thread gets its turn only between two finds.
_PAIR: Final = rb"\\u(?i:d[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2})"
_HALF: Final = rb"\\u(?i:d[89a-f][0-9a-f]{2})"
_UP_TO_HALF: Final = re.compile(
    rb"((?:[^\\]{1,64}+|%b|(?!%b)\\.){0,64}+)((?!%b)%b)?" % (_PAIR, _HALF, _PAIR, _HALF), re.DOTALL
)
"""Up to half a pair of surrogates."""
_UP_TO_NO_NUMBER: Final = re.compile(
    rb'((?:"(?:[^"\\]{1,64}+|\\.){0,64}+"|[^"NI-]{1,64}+|-(?!Infinity)|N(?!aN)|I(?!nfinity)){0,64}+)'
    rb"(-?Infinity|NaN)?",
    re.DOTALL,
)
_WITHIN_TEXT: Final = re.compile(rb'(?:[^"\\]{1,64}+|\\.){1,64}+', re.DOTALL)


def sound(body: bytes) -> bytes:
    """The body as JSON, where it lacks only two things: U+FFFD for halves of characters, null for NaN.

    A byte order mark before it is taken off.

    JavaScript writes half a character where a program cuts a text within an emoji, and Python writes NaN and
    Infinity. No reader of JSON takes them, so that one such value would cost all events beside it.

    Raises:
        ApiError: 400 where more than ``MAX_REPAIRS`` of either would have to be replaced.
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    halves, no_numbers = (any(sign in body for sign in signs) for signs in (_SURROGATES, _NO_NUMBERS))
    if not halves and not no_numbers:
        return body
    try:
        _anything.decode(body)
    except (msgspec.DecodeError, RecursionError):
        whole = _replaced(body, _UP_TO_HALF, rb"\ufffd") if halves else body
        return _replaced(whole, _UP_TO_NO_NUMBER, b"null") if no_numbers else whole
    return body


def _replaced(body: bytes, up_to: re.Pattern[bytes], instead: bytes) -> bytes:
    """The body with something else for each second group of ``up_to``, whose first is left as it is."""
    out = bytearray()
    at = repairs = 0
    while at < len(body):
        found = up_to.match(body, at)
        if found is not None and found.end() > at:
            harmless, wrong = found.groups()
            out += harmless
            if wrong:
                out += instead
                repairs += 1
                if repairs > MAX_REPAIRS:
                    raise _beyond_repair()
            at = found.end()
        else:
            # A long text begins, or the body ends within an escape.
            after = _end_of_text(body, at) if body[at : at + 1] == b'"' else at + 1
            out += body[at:after]
            at = after
    return bytes(out)


def _beyond_repair() -> ApiError:
    reason = (
        f"The body has more than {MAX_REPAIRS} values or characters that are none in JSON; send null for NaN "
        "and Infinity, and no halves of surrogate pairs."
    )
    return ApiError(400, "MALFORMED_JSON", reason)


def _end_of_text(body: bytes, quote: int) -> int:
    """Where the text ends that begins with this quote."""
    at = quote + 1
    while found := _WITHIN_TEXT.match(body, at):
        at = found.end()
    return min(at + 1, len(body))


def is_array(body: bytes | Raw) -> bool:
    """Whether this begins like an array."""
    return bytes(memoryview(body)[:64]).lstrip()[:1] == b"["


def scan(decoder: msgspec.json.Decoder[T], body: bytes | Raw, whole: str = "body") -> T:
    """Decode a request's outer form; ``whole`` says what of it the body is.

    Raises:
        ApiError: 400 with what is wrong.
    """
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found = decoding_error(error, bytes(body), None, whole)
        raise ApiError(400, "MALFORMED_JSON", found.reason) from None


def decode_one(decoder: msgspec.json.Decoder[T], event: bytes | Raw, limit: int = MAX_EVENT_BYTES) -> T:
    """Decode one event of at most ``limit`` bytes.

    Raises:
        InvalidEvent: what is wrong with it.
    """
    body = bytes(event)
    if len(body) > limit:
        check_size(body)
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise decoding_error(error, body, None) from None


_plain: Final[msgspec.json.Decoder[str | int | float | None]] = msgspec.json.Decoder(str | int | float | None)
_LONGEST_VALUE: Final = 1024


def plain(value: Raw) -> str | int | float | None:
    """Text, a number or nothing; nothing also for whatever else it is, which is no reason to lose events."""
    if len(memoryview(value)) > _LONGEST_VALUE:
        return None
    try:
        return _plain.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class _Named(msgspec.Struct):
    uuid: Raw = NOTHING
    message_id: Raw = msgspec.field(default=NOTHING, name="messageId")


_named: Final = msgspec.json.Decoder(_Named)


def name_of(event: Raw) -> str | None:
    """What an event's client calls it, also of an event that breaks every rule; at most 200 characters."""
    try:
        named = _named.decode(event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    name = plain(named.uuid) or plain(named.message_id)
    return name[:200] if isinstance(name, str) else None


def as_text(value: object) -> str | None:
    """An id as text: clients send numbers too. None where it is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and -_LONG <= value < _LONG:
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None


def as_object(value: object, field: str) -> dict[str, Any]:
    """An object, or an empty one for nothing.

    Raises:
        InvalidEvent: ``wrong_type``.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidEvent(
            "wrong_type", field, f"The field {field} is not a JSON object; send {{}} for none."
        )
    return value
