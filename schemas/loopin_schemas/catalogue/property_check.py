"""Checks an event's properties against rules prepared once for each event of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from loopin_schemas.catalogue.event_type import Property, PropertyType
from loopin_schemas.errors import InvalidEvent
from loopin_schemas.timestamps import parse_timestamp

_CLASSES: dict[PropertyType, frozenset[type]] = {
    "text": frozenset({str}),
    "id": frozenset({str, int}),
    "number": frozenset({int, float}),
    "integer": frozenset({int}),
    "boolean": frozenset({bool}),
    "time": frozenset({str, int, float}),
    "list": frozenset({list}),
    "object": frozenset({dict}),
    "any": frozenset({str, int, float, bool, list, dict}),
}


@dataclass(frozen=True, slots=True)
class _Rule:
    declared: PropertyType
    classes: frozenset[type]
    minimum: float
    maximum: float
    bounded: bool
    choices: frozenset[str]
    by_class_alone: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one event: those of its properties by name, and the names it requires."""

    by_property: dict[str, _Rule]
    required: tuple[str, ...]


def rules_of(properties: Iterable[Property]) -> Rules:
    """Prepare the rules of an event; of two properties of one name the later counts."""
    by_name = {declared.name: declared for declared in properties}
    return Rules(
        {name: _rule(declared) for name, declared in by_name.items()},
        tuple(name for name, declared in by_name.items() if declared.required),
    )


def warnings_of(rules: Rules, properties: Mapping[str, Any]) -> tuple[str, ...]:
    """Each fault of decoded properties as ``property:fault``; missing ones first."""
    faults: list[str] = []
    for name in rules.required:
        if properties.get(name) is None:
            faults.append(f"{name}:missing")  # noqa: PERF401 (a comprehension costs every event a call)
    by_property = rules.by_property
    for name, value in properties.items():
        rule = by_property.get(name)
        if rule is None or value is None or (rule.by_class_alone and type(value) in rule.classes):
            continue
        if fault := _fault(rule, value):
            faults.append(f"{name}:{fault}")
    return tuple(faults)


def _rule(declared: Property) -> _Rule:
    bounded = declared.minimum is not None or declared.maximum is not None
    return _Rule(
        declared.type,
        _CLASSES[declared.type],
        float("-inf") if declared.minimum is None else declared.minimum,
        float("inf") if declared.maximum is None else declared.maximum,
        bounded,
        frozenset(declared.choices),
        not bounded and not declared.choices and declared.type != "time",
    )


def _fault(rule: _Rule, value: Any) -> str | None:
    if type(value) not in rule.classes and not _is_whole(rule, value):
        return "wrong_type"
    if rule.bounded and not rule.minimum <= value <= rule.maximum:
        return "out_of_range"
    if rule.choices and value not in rule.choices:
        return "not_a_choice"
    if rule.declared == "time" and not _is_time(value):
        return "wrong_type"
    return None


def _is_whole(rule: _Rule, value: Any) -> bool:
    """JSON does not tell 5 from 5.0; some clients write every number with a fraction."""
    return int in rule.classes and type(value) is float and value.is_integer()


def _is_time(value: str | float) -> bool:
    try:
        parse_timestamp(value)
    except InvalidEvent:
        return False
    return True
