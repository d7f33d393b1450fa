"""Events of the catalogue's metrics, read as the store reads them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from loopin_schemas.event import EnrichedEvent
from loopin_schemas.metrics.definition import Condition, Events, Mean
from loopin_schemas.metrics.stream import Measured, Ratio
from loopin_schemas.profile import MILLION
from loopin_streams.state.amounts import number

Properties = Mapping[str, Any]

Test = Callable[[Properties], bool]
"""Whether an event with these properties is meant."""

Value = Callable[[EnrichedEvent, Properties], int | None]
"""An event's measured value in millionths, given the event and its properties; None where it has none."""


class Parts(NamedTuple):
    """What an event adds to a ratio: to the whole, and to the part."""

    whole: int
    part: int


Judge = Callable[[Properties], Parts]

INTEGERS: Final = frozenset({"status"})
"""Properties that the store reads as whole numbers of 32 bits."""

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    name: getattr(operator, name) for name in ("eq", "ne", "gt", "ge", "lt", "le")
}


def applies(measure: Ratio | Measured, event: str) -> bool:
    """Whether events of this name may add something."""
    if isinstance(measure, Measured):
        return event in measure.of.of.names
    return event in measure.part.names or event in measure.whole.names


def is_conditional(measure: Ratio, event: str) -> bool:
    """Whether what an event of this name adds depends on its properties."""
    return any(of.where for of in (measure.part, measure.whole) if event in of.names)


def parts_of(measure: Ratio, event: str) -> Parts:
    """What every event of this name adds."""
    return Parts(int(event in measure.whole.names), int(event in measure.part.names))


def judge_of(measure: Ratio, event: str) -> Judge:
    """What an event of this name adds by its properties."""
    whole, part = _test(measure.whole, event), _test(measure.part, event)
    return lambda properties: Parts(int(whole(properties)), int(part(properties)))


def value_of(of: Mean) -> Value:
    """What an event adds to a mean."""
    name = of.property

    def value(event: EnrichedEvent, properties: Properties) -> int | None:
        found = event.sentiment if name == "sentiment" else number(properties.get(name))
        if found is None or not of.least <= found <= of.most:
            return None
        return round((found - of.less) / of.by * MILLION)

    return value


def _test(of: Events, event: str) -> Test:
    if event not in of.names:
        return lambda _: False
    tests = [_meets(condition) for condition in of.where]
    return lambda properties: all(test(properties) for test in tests)


def _meets(condition: Condition) -> Test:
    name, value, compare = condition.property, condition.value, _OPERATORS[condition.operator]
    if isinstance(value, bool):

        def flag(properties: Properties) -> bool:
            found = properties.get(name)
            return isinstance(found, bool) and compare(found, value)

        return flag
    if isinstance(value, str):

        def text(properties: Properties) -> bool:
            found = properties.get(name)
            if isinstance(found, int) and not isinstance(found, bool):
                found = str(found)
            return isinstance(found, str) and found != "" and compare(found, value)

        return text

    def measured(properties: Properties) -> bool:
        found = number(properties.get(name))
        if found is None or (name in INTEGERS and not _is_integer(found)):
            return False
        return compare(found, value)

    return measured


def _is_integer(found: float) -> bool:
    return found.is_integer() and -(2**31) <= found < 2**31
