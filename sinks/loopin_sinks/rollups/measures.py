"""What rolled days tell of their events: counts of every name, and the parts of what metrics add up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from loopin_schemas.metrics import CATALOGUE
from loopin_schemas.metrics.definition import (
    Condition,
    Count,
    Definition,
    Events,
    Mean,
    MonthGrowth,
    Quotient,
    Revenue,
    Sum,
    Users,
    UsersSoFar,
    events,
)
from loopin_sinks.metric_values.amounts import CODE, PURCHASES, REFUNDS, has_amount, millionths
from loopin_sinks.metric_values.sql import Query

Additive = Count | Sum | Mean | Revenue
"""What is a sum over events, or made of sums."""

COUNTED: Final = ""
"""The measure that says how many events of a name there were."""

NUMBERS_OF_DAYS: Final = (
    Count(events("geo_access_checked", where=Condition("access_result", "eq", "allowed"))),
    Count(events("error_logged", where=Condition("level", "eq", "error"))),
    Count(events("error_logged", where=Condition("level", "eq", "critical"))),
)
"""What document C's daily rows tell beside the catalogue."""


def events_of(of: Additive) -> Events:
    """The events that are counted or added up."""
    return events(*PURCHASES, *REFUNDS) if isinstance(of, Revenue) else of.of


def measure_of(of: Additive) -> str:
    """Name of the measure that tells it."""
    if isinstance(of, Revenue):
        return "revenue"
    parts = [f"{each.property} {each.operator} {_told(each.value)}" for each in of.of.where]
    if isinstance(of, Sum):
        # Money is added up by currency: of a property of one's own no day tells that.
        parts.append(f"{'money' if of.money else 'sum'} {of.property}")
    if isinstance(of, Mean):
        parts.append(f"mean {of.property} {float(of.least)!r} {float(of.most)!r}")
    return " and ".join(parts) or COUNTED


def _told(value: str | float | bool) -> str:
    return repr(value) if isinstance(value, (str, bool)) else repr(float(value))


def needed(of: Additive) -> frozenset[str]:
    """What a day must tell for it."""
    measure = measure_of(of)
    names = events_of(of).names
    return frozenset([COUNTED] if measure == COUNTED else [f"{name} {measure}" for name in names])


def users_of(name: str) -> str:
    """What a day must tell so that the users of an event are known."""
    return f"{name} users"


def _parts(of: Definition) -> Iterator[Definition]:
    if isinstance(of, Quotient):
        yield from _parts(of.part)
        yield from _parts(of.whole)
    elif isinstance(of, MonthGrowth):
        yield of.of
    else:
        yield of


_PARTS: Final = [*NUMBERS_OF_DAYS, *(part for metric in CATALOGUE for part in _parts(metric.definition))]


def _measured() -> Iterator[Additive]:
    by_measure: dict[str, Additive] = {}
    for part in _PARTS:
        if isinstance(part, Additive) and measure_of(part) != COUNTED:
            known = by_measure.get(measure_of(part), part)
            if not isinstance(part, Revenue) and not isinstance(known, Revenue):
                names = dict.fromkeys((*known.of.names, *part.of.names))
                known = replace(known, of=replace(known.of, names=tuple(names)))
            by_measure[measure_of(part)] = known
    yield from by_measure.values()


MEASURED: Final[tuple[Additive, ...]] = tuple(_measured())
"""One of each measure but the plain counts, with all events that it is told of."""

WATCHED: Final = tuple(
    sorted(
        {
            name
            for part in _PARTS
            if isinstance(part, (Users, UsersSoFar)) and not part.of.where
            for name in part.of.names
        }
    )
)
"""Events whose users are told."""

TOLD: Final = sorted(
    {COUNTED, *(what for of in MEASURED for what in needed(of)), *(users_of(name) for name in WATCHED)}
)
"""All that a day tells which is rolled up now."""


def numbers(query: Query, of: Additive) -> str:
    """In SQL, of an event: measure, currency, whether it counts, and what it adds as a float or exactly."""
    count = query.matches(events_of(of))
    currency, total, exact = "''", "0.", "toInt128(0)"
    if isinstance(of, Revenue):
        count += f" AND {has_amount(query)}"
        currency, exact = CODE, f"if({has_amount(query)}, {millionths(query)}, toInt128(0))"
    elif isinstance(of, Mean):
        count += f" AND {query.counts(of)}"
        total = f"ifNull({query.number(of.property)}, 0.)"
    elif isinstance(of, Sum):
        count += f" AND isNotNull({query.number(of.property)})"
        total = f"ifNull({query.number(of.property)}, 0.)"
    measure = query.bind(measure_of(of), "String")
    return f"({measure}, {currency}, toUInt64({count}), toFloat64({total}), {exact})"
