"""What is wrong with a value, in words that say what to do, whichever library has found it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from loopin_api.timespan import DURATION
from loopin_schemas.names import NAME
from loopin_schemas.project import COUNTRY, CURRENCY

_BY_TYPE: Final[Mapping[str, str]] = {
    "missing": "Give this field, too",
    "extra_forbidden": "There is no such field; leave it out",
    "string_type": "Give text",
    "string_pattern_mismatch": "Give text of the form that the field's description tells",
    "string_too_short": "Give {min_length} or more characters",
    "string_too_long": "Give at most {max_length} characters",
    "too_short": "Give {min_length} or more of them",
    "too_long": "Give at most {max_length} of them",
    "int_type": "Give a whole number",
    "int_parsing": "Give a whole number",
    "int_parsing_size": "Give a smaller number",
    "int_from_float": "Give a whole number",
    "float_type": "Give a number",
    "float_parsing": "Give a number",
    "finite_number": "Give a finite number",
    "greater_than": "Give more than {gt}",
    "greater_than_equal": "Give {ge} or more",
    "less_than": "Give less than {lt}",
    "less_than_equal": "Give at most {le}",
    "bool_type": "Give true or false",
    "bool_parsing": "Give true or false",
    "list_type": "Give a list",
    "dict_type": "Give a JSON object",
    "model_type": "Give a JSON object",
    "model_attributes_type": "Give a JSON object",
    "literal_error": "Give {expected}",
    "enum": "Give {expected}",
    "date_type": "Give a day as YYYY-MM-DD",
    "date_parsing": "Give a day as YYYY-MM-DD",
    "date_from_datetime_parsing": "Give a day as YYYY-MM-DD",
    "date_from_datetime_inexact": "Give a day as YYYY-MM-DD",
    "datetime_type": "Give a time as in 2026-01-02T03:04:05Z",
    "datetime_parsing": "Give a time as in 2026-01-02T03:04:05Z",
    "datetime_from_date_parsing": "Give a time as in 2026-01-02T03:04:05Z",
    "timezone_aware": "Give the time's offset, too, as in 2026-01-02T03:04:05Z",
}
"""By the type of Pydantic's error."""

_FORMS: Final[Mapping[str, str]] = {
    NAME: "Give lower case letters, digits and underscores, 64 at most, a letter first",
    CURRENCY: "Give a code of ISO 4217, three capital letters such as INR",
    COUNTRY: "Give a code of ISO 3166, two capital letters such as IN",
    DURATION: "Give a number of minutes, hours or days, such as 30m, 2h or 1d",
}
"""What a text has to be like, by the pattern that it has to match (all names have one)."""

_TYPES: Final[Mapping[str, str]] = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "a JSON object",
    "array": "a list",
}
"""What msgspec calls the types of JSON."""

_BOUNDS: Final[Mapping[str, str]] = {
    ">=": "Give {0} or more",
    ">": "Give more than {0}",
    "<=": "Give at most {0}",
    "<": "Give less than {0}",
}

_MISSING: Final = re.compile(r"missing required field `([^`]+)`")
_UNKNOWN: Final = re.compile(r"contains unknown field `([^`]+)`")
_LENGTH: Final = re.compile(r"Expected `([^`]+)` of length (>=|<=) (\d+)")
_BOUND: Final = re.compile(r"Expected `[^`]+` (>=|>|<=|<) (\S+)")
_PATTERN: Final = re.compile(r"Expected `str` matching regex '(.*)'")
_TYPE: Final = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")


def of_pydantic(error: Any) -> str:
    """What one of Pydantic's errors says, without the full stop."""
    context = error.get("ctx", {})
    if (said := _FORMS.get(context.get("pattern"))) is not None:
        return said
    if (known := _BY_TYPE.get(error["type"])) is not None:
        return known.format_map({name: _plain(value) for name, value in context.items()})
    return _capital(str(error["msg"]).removeprefix("Value error, "))


def of_msgspec(message: str) -> str:
    """What msgspec says without the place, as a sentence; what our own types say begins one already."""
    return f"{_capital(_of_msgspec(message))}."


def _of_msgspec(message: str) -> str:
    if found := _MISSING.search(message):
        return f"Give the field {found[1]}, too"
    if found := _UNKNOWN.search(message):
        return f"There is no field {found[1]} here; leave it out"
    if found := _LENGTH.search(message):
        of = "characters" if found[1].startswith("str") else "of them"
        return f"{_BOUNDS[found[2]].format(found[3])} {of}"
    if found := _BOUND.search(message):
        return _BOUNDS[found[1]].format(found[2].removesuffix(".0"))
    if found := _PATTERN.search(message):
        return _FORMS.get(found[1], "Give text of the form that the field's description tells")
    if found := _TYPE.search(message):
        return f"Give {_any_of(found[1])}"
    if message.startswith("Invalid "):
        return "Give a value that the field's description names"
    return message


def _any_of(types: str) -> str:
    names = types.split(" | ")
    if {"int", "float"} <= set(names):
        names.remove("int")
    return " or ".join(_TYPES.get(name, name) for name in names)


def _plain(bound: Any) -> Any:
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
