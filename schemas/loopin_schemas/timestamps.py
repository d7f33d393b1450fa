"""Times on the wire: ISO 8601 or epoch milliseconds in, epoch milliseconds UTC inside."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from math import floor, isfinite
from typing import Annotated

from msgspec import Meta

from loopin_schemas.errors import InvalidEvent

MIN_MS = -62_135_596_800_000
"""0001-01-01T00:00:00.000Z, the earliest time that ISO 8601 with four digits can write."""

MAX_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, the latest."""

Ms = Annotated[int, Meta(ge=0, le=MAX_MS)]
"""Epoch ms, from 1970 on."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_NAIVE = datetime(1970, 1, 1)
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?")
_DATE = re.compile(r"[0-9]{4}[0-9W-]{3,6}")
_LEAP_SECOND = re.compile(r"^(.{10}[T ][0-9]{2}:[0-9]{2}):60")
_DAY_MS = 86_400_000


def parse_timestamp(value: object, field: str = "timestamp") -> int:
    """Milliseconds since 1970 UTC, rounded down, of ISO 8601 text or of a number that says so already.

    Text without an offset is UTC, a date alone is its midnight, and text of digits is epoch milliseconds.
    The leap second 23:59:60Z is the first second of the next day, as in POSIX.

    Raises:
        InvalidEvent: ``timestamp_invalid`` for anything else, and for times outside the years 1 to 9999.
    """
    # What our own client sends, asked first because it is nearly all there is.
    if type(value) is int and MIN_MS <= value <= MAX_MS:
        return value
    if isinstance(value, str):
        milliseconds = _of_text(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        milliseconds = value
    elif isinstance(value, float) and isfinite(value):
        milliseconds = floor(value)
    else:
        raise _invalid(field)
    if milliseconds is None or not MIN_MS <= milliseconds <= MAX_MS:
        raise _invalid(field)
    return milliseconds


def to_iso(milliseconds: int) -> str:
    """ISO 8601 text in UTC of epoch milliseconds, e.g. ``2026-01-02T03:04:05.678Z``.

    Raises:
        OverflowError: the time is outside the years 1 to 9999.
    """
    moment = _EPOCH_NAIVE + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds") + "Z"


def _of_text(text: str) -> int | None:
    """Epoch milliseconds of text, or None where it is no time."""
    if text[4:5] == "-" and text[10:11] in "T ":
        try:
            return _milliseconds(datetime.fromisoformat(text))
        except ValueError:
            pass
    return _of_unusual_text(text.strip().upper())


def _of_unusual_text(text: str) -> int | None:
    """What is rarer: digits, lower-case letters, blanks around, dates alone, leap seconds."""
    # Digits come first: fromisoformat takes 1712011500000 for a day in 1712.
    if _NUMBER.fullmatch(text):
        return floor(float(text)) if "." in text else int(text)
    if "T" not in text and " " not in text and not _DATE.fullmatch(text):
        return None  # fromisoformat lets any character stand between date and time
    ordinary, leaps = _LEAP_SECOND.subn(r"\1:59", text)
    try:
        milliseconds = _milliseconds(datetime.fromisoformat(ordinary))
    except ValueError:
        return None
    if not leaps:
        return milliseconds
    ends_a_day = milliseconds % _DAY_MS >= _DAY_MS - 1000
    return milliseconds + 1000 if ends_a_day else None


def _milliseconds(moment: datetime) -> int:
    since = moment - (_EPOCH_NAIVE if moment.tzinfo is None else _EPOCH)
    return since.days * _DAY_MS + since.seconds * 1000 + since.microseconds // 1000


def _invalid(field: str) -> InvalidEvent:
    return InvalidEvent(
        "timestamp_invalid",
        field,
        f"The {field} is not a time; send ISO 8601 text such as 2026-01-02T03:04:05Z, or epoch milliseconds.",
    )
