"""From a Python mapping to the JSON of an event's ``properties``."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any
from uuid import UUID

from loopin_producers.guard import Kinds, logger
from loopin_producers.ids import checked_key
from loopin_schemas import InvalidEvent, encode
from loopin_schemas.validation import MAX_DEPTH, MAX_PROPERTIES_BYTES

_PLAIN = frozenset((str, bool, type(None)))
_NUMBERS = frozenset((int, float))
_TEXTS = (UUID, PurePath, complex, Fraction)
_LAZY = "django.utils.functional"
_GREATEST_INT = int(sys.float_info.max)
"""Readers that hold numbers as doubles, the store's among them, know none beyond."""
_MOST_ITEMS = MAX_PROPERTIES_BYTES // 2
"""A list of more cannot fit: each takes a digit and a comma at least."""
_FINER_THAN_PYTHONS = re.compile(r"\[\d*[npfa]s\]")
"""Units of numpy's that a datetime's microseconds cannot hold."""


Change = Callable[[dict[str, Any]], Mapping[str, Any]]
"""What is done to properties once they are plain, before they are encoded."""


def encode_properties(
    properties: Mapping[str, Any] | None,
    groups: Mapping[str, Any] | None = None,
    change: Change | None = None,
) -> bytes:
    """Encode properties as a JSON object, with the groups as ``$groups`` if there are any.

    Beside JSON's own types these are converted: datetime and date (ISO 8601, a datetime without a zone is
    UTC), time, timedelta (seconds), UUID, Decimal (number), Enum (its value), set and frozenset (list),
    numpy's scalars and arrays, and, as text, bytes, paths, complex numbers, fractions, internet addresses and
    Django's lazy texts. Of any other object only the class's name is sent, with one warning a class: no code
    of its own runs.

    Raises:
        InvalidEvent: not a mapping, a number or a name JSON cannot carry (with its dotted path), too deep, or
            an object whose own methods raised.
    """
    if properties is not None and not isinstance(properties, Mapping):
        raise InvalidEvent(
            "properties_not_object", "properties", "Give the properties as a mapping of names to values."
        )
    if groups is not None and not isinstance(groups, Mapping):
        raise InvalidEvent("wrong_type", "groups", "Give the groups as a mapping of group type to group key.")
    if groups is None and type(properties) is dict and _is_plain(properties):
        return _encode_text(properties, change)
    try:
        plain = {} if properties is None else _mapping(properties, "properties", 1)
        if groups is not None:
            plain["$groups"] = _groups(groups)
        return _encode_text(plain, change)
    except InvalidEvent:
        raise
    except Exception as error:  # mappings, numbers and times may be of the caller's own classes
        raise InvalidEvent(
            "unreadable",
            "properties",
            f"Give the properties as plain values: reading them raised {type(error).__name__}.",
        ) from error


_odd_groups = Kinds()


def _groups(groups: Mapping[Any, Any]) -> dict[str, str]:
    """Type to key, without those that have none, and with one warning a type without those that have no id.

    The event belongs to its user all the same.
    """
    keys: dict[str, str] = {}
    for given, key in groups.items():
        if key is None:
            continue
        kind = _name(given, "properties.$groups")
        try:
            keys[kind] = checked_key(key, "group_key")
        except InvalidEvent as error:
            if _odd_groups.is_new(kind):
                logger.warning(
                    "An event belongs to no %r: %s Further ones (%s) are not logged.",
                    kind,
                    error.reason,
                    kind,
                )
    return keys


def _is_plain(properties: dict[Any, Any]) -> bool:
    """Whether JSON takes all as they are: most properties, for which the long way costs much more."""
    for name, value in properties.items():
        of = type(value)
        if type(name) is not str or not (
            of in _PLAIN or (of in _NUMBERS and -_GREATEST_INT <= value <= _GREATEST_INT)
        ):
            return False
    return True


def _encode_text(plain: dict[str, Any], change: Change | None) -> bytes:
    try:
        return encode(plain if change is None else change(plain))
    except UnicodeEncodeError:
        raise InvalidEvent(
            "not_utf8",
            "properties",
            "Remove the lone surrogates from the text: it cannot be written as UTF-8.",
        ) from None


def plain_text(text: str) -> str:
    """The text itself, of no subclass: those may format themselves differently, or not be encoded at all."""
    return text if type(text) is str else str.__str__(text)


def _mapping(value: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
    _check_depth(path, depth)
    plain: dict[str, Any] = {}
    for key, item in value.items():
        name = _name(key, path)
        plain[name] = item if type(item) in _PLAIN else _value(item, f"{path}.{name}", depth)
    return plain


def _name(key: Any, path: str) -> str:
    if issubclass(type(key), Enum):
        key = key.value
    of = type(key)
    if issubclass(of, str):
        return plain_text(key)
    if issubclass(of, int) and of is not bool:
        return str(_integer(key, path))
    if issubclass(of, UUID):
        return str(key)
    raise InvalidEvent("wrong_type", path, f"Use text for the names in {path}, not {type(key).__name__}.")


def _value(value: Any, path: str, depth: int) -> Any:
    # Of the type, not of the instance: a lazy object of Django's asks the database what it is an instance of.
    if issubclass(type(value), Enum):
        value = value.value
    of = type(value)
    if of in _PLAIN:
        return value
    if issubclass(of, str):
        return plain_text(value)
    if issubclass(of, int):
        return _integer(value, path)
    if issubclass(of, (float, Decimal)):
        return _number(value, path)
    if issubclass(of, Mapping):
        return _mapping(value, path, depth + 1)
    if issubclass(of, (list, tuple, set, frozenset)):
        _check_depth(path, depth + 1)
        return [_value(item, f"{path}.{index}", depth + 1) for index, item in enumerate(value)]
    if of.__module__.partition(".")[0] == "numpy" and hasattr(of, "tolist"):
        return _of_numpy(value, path, depth)
    return _scalar(value, path)


def _of_numpy(value: Any, path: str, depth: int) -> Any:
    """A scalar's or an array's values, as if Python's own had been given."""
    if value.size > _MOST_ITEMS:  # to convert a million takes seconds
        raise InvalidEvent(
            "properties_too_large",
            path,
            f"Shorten {path}: its {value.size} values are more than an event may hold.",
        )
    if value.dtype.kind in "mM":
        return _times_of_numpy(value, path, depth)
    found = value.tolist()
    if type(found) is not type(value):
        return _value(found, path, depth)
    return _number(value, path) if _is_real(type(value)) else str(value)


def _times_of_numpy(value: Any, path: str, depth: int) -> Any:
    """Moments or durations; one that Python's own classes cannot hold, such as a month, as numpy's text."""
    if value.ndim:
        _check_depth(path, depth + 1)
        return [_of_numpy(item, f"{path}.{index}", depth + 1) for index, item in enumerate(value)]
    found = value.tolist()
    if type(found) is not int:
        return _value(found, path, depth)
    one = value[()]
    if value.dtype.kind == "m":
        with suppress(TypeError):
            return float(one / type(one)(1, "s"))
    elif _FINER_THAN_PYTHONS.search(value.dtype.str):
        return _value(one.astype("datetime64[us]").tolist(), path, depth)
    return str(one)


def _is_real(of: type) -> bool:
    """Whether a number of numpy's that is more exact than Python's."""
    return any(one.__name__ == "floating" for one in of.__mro__)


def _integer(value: int, path: str) -> int:
    number = value if type(value) is int else int.__int__(value)
    if not -_GREATEST_INT <= number <= _GREATEST_INT:
        raise _out_of_range(path)
    return number


def _number(value: float | Decimal, path: str) -> float:
    number = math.nan if isinstance(value, Decimal) and value.is_snan() else float(value)
    if not math.isfinite(number):
        if isinstance(value, Decimal) and value.is_finite():
            raise _out_of_range(path)
        raise InvalidEvent("number_not_finite", path, f"Leave {path} out: JSON has no NaN or Infinity.")
    return number


def _out_of_range(path: str) -> InvalidEvent:
    return InvalidEvent("number_out_of_range", path, f"A number in {path} is too large; send it as text.")


def _scalar(value: Any, path: str) -> Any:
    of = type(value)
    if issubclass(of, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.isoformat()
    if issubclass(of, (date, time)):
        return value.isoformat()
    if issubclass(of, timedelta):
        return value.total_seconds()
    if issubclass(of, (bytes, bytearray, memoryview)):
        return bytes(value).decode(errors="replace")
    if issubclass(of, _TEXTS) or of.__module__ == "ipaddress" or _is_lazy_text(of):
        return plain_text(str(value))
    return _foreign(of.__name__, path)


def _is_lazy_text(of: type) -> bool:
    """Whether a text of Django's that is looked up when it is read; a lazy list, for one, is none."""
    lazy = any(one.__name__ == "Promise" and one.__module__ == _LAZY for one in of.__mro__)
    return lazy and hasattr(of, "casefold")


_foreign_classes = Kinds()


def _foreign(kind: str, path: str) -> str:
    """What stands for an object of an unknown class: its text may hold anything, and cost a query."""
    name = f"<{kind}>"
    if _foreign_classes.is_new(kind):
        logger.warning(
            "Convert %s first: a %s is captured as %s. Further ones (%s) are not logged.",
            path,
            kind,
            name,
            kind,
        )
    return name


def _check_depth(path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidEvent(
            "too_deep", path, f"Flatten the properties: they may nest {MAX_DEPTH} levels deep."
        )
