"""What windows measure: one visible tuple."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from loopin_schemas.catalogue import by_name
from loopin_schemas.catalogue.system import SYSTEM
from loopin_schemas.event import EnrichedEvent
from loopin_schemas.metrics.stream import MEASURES as CATALOGUE_MEASURES
from loopin_schemas.metrics.stream import Measured, Ratio
from loopin_schemas.profile import MILLION
from loopin_streams.state.amounts import amount, currency
from loopin_streams.windows.conditions import (
    Judge,
    Parts,
    Value,
    applies,
    is_conditional,
    judge_of,
    parts_of,
    value_of,
)

SYSTEM_EVENTS: Final = frozenset(event.name for event in SYSTEM)
"""Events that do not make a user active."""

MAX_COUNTRY: Final = 100
"""Characters of the longest country; a longer one is a client's error and makes no series."""


class Measure(NamedTuple):
    """One metric of every window, in whole, by event and by country.

    Events are counted, or their users (``distinct``), or values are added up: what ``value`` gives, or the
    ``money`` that moved in the project's own currency. ``of`` says by event name what it applies to.
    """

    metric: str
    value: Value | None = None
    money: bool = False
    distinct: bool = False
    of: Callable[[str], bool] = lambda _: True


def revenue_sign(event: str) -> int:
    """1 for purchases, -1 for refunds, 0 for all other events."""
    known = by_name(event)
    return known.revenue if known is not None else 0


def money(event: EnrichedEvent, properties: Mapping[str, Any]) -> tuple[str, int] | None:
    """Currency and signed millionths of an event that moves money; an unnamed currency stays ``""``."""
    millionths = amount(properties)
    return None if millionths is None else (currency(properties), revenue_sign(event.event) * millionths)


def _sentiment(event: EnrichedEvent, _: Mapping[str, Any]) -> int | None:
    score = event.sentiment
    return None if score is None else round(score * MILLION)


MEASURES: Final[tuple[Measure, ...]] = (
    Measure("events"),
    Measure("active_users", distinct=True, of=lambda event: event not in SYSTEM_EVENTS),
    Measure("revenue", money=True, of=lambda event: revenue_sign(event) != 0),
    Measure("sentiment", value=_sentiment),
)


OWN: Final = frozenset(measure.metric for measure in CATALOGUE_MEASURES)
"""Metrics of the catalogue with series of their own: in whole and by country, but not by event."""


class Plan(NamedTuple):
    """The measures that apply to one event name, by kind, with their metrics.

    ``ratios`` hold for every event of the name, ``judged`` ones depend on its properties.
    """

    counted: tuple[str, ...] = ()
    distinct: tuple[str, ...] = ()
    valued: tuple[tuple[str, Value], ...] = ()
    money: tuple[str, ...] = ()
    ratios: tuple[tuple[str, Parts], ...] = ()
    judged: tuple[tuple[str, Judge], ...] = ()


@lru_cache(4096)
def plan_of(event: str) -> Plan:
    """Which measures apply to events of this name."""
    applicable = [measure for measure in MEASURES if measure.of(event)]
    own = [measure for measure in CATALOGUE_MEASURES if applies(measure, event)]
    ratios = [measure for measure in own if isinstance(measure, Ratio)]
    return Plan(
        counted=tuple(m.metric for m in applicable if not (m.value or m.money or m.distinct)),
        distinct=tuple(m.metric for m in applicable if m.distinct),
        valued=(
            *((m.metric, m.value) for m in applicable if m.value is not None),
            *((m.metric, value_of(m.of)) for m in own if isinstance(m, Measured)),
        ),
        money=tuple(m.metric for m in applicable if m.money),
        ratios=tuple((m.metric, parts_of(m, event)) for m in ratios if not is_conditional(m, event)),
        judged=tuple((m.metric, judge_of(m, event)) for m in ratios if is_conditional(m, event)),
    )


LOCATED: Final = "$geoip_country_code"
"""Stands in for the property ``country`` where the client named none."""


def country_of(properties: Mapping[str, Any]) -> str:
    """The country that windows count the event under, ``""`` for none."""
    named = properties.get("country")
    if named is None or named == "":
        named = properties.get(LOCATED)
    if isinstance(named, int) and not -(2**63) <= named < 2**64:
        # The store reads numbers that it cannot hold as text.
        named = str(named)
    return named if isinstance(named, str) and len(named) <= MAX_COUNTRY else ""
