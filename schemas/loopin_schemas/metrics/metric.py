"""What the catalogue says about a metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from loopin_schemas.metrics.definition import Definition

Kind = Literal["kpi", "kri", "kr", "custom"]
"""Key performance indicator, key risk indicator, key result; or a user's own."""

Unit = Literal[
    "users", "ratio", "sessions", "minutes", "views", "events", "money", "count", "ms", "stars", "compound"
]
"""Ratios are 0 to 1 (growth may be any); money is in the project's currency; stars are 1 to 5,
compounds (of sentiment) -1 to 1."""

Better = Literal["higher", "lower"]

Grain = Literal["hour", "day", "week", "month"]

Dimension = Literal[
    "country",
    "region",
    "city",
    "device",
    "browser",
    "os",
    "platform",
    "community",
    "event",
    "event_id",
    "content_type",
    "campaign",
    "persona",
]
"""What a metric may be split and filtered by: a property of the event; of a session, its first event's.

``persona`` is the present one of the person whose event it is, however long ago that was.
"""

GRAINS: Final[tuple[Grain, ...]] = ("hour", "day", "week", "month")

DAYS: Final[tuple[Grain, ...]] = ("day", "week", "month")
"""Grains of metrics that are made of days."""

PLACE: Final[tuple[Dimension, ...]] = ("country", "region", "city")

VISIT: Final[tuple[Dimension, ...]] = (*PLACE, "device", "browser", "os", "platform", "campaign", "persona")
"""What holds for all that a visitor does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number that the product answers.

    Attributes:
        name: exact name.
        kind: whose concern it is.
        category: subject.
        unit: what the value is measured in.
        better: which way is good.
        description: meaning, for a person.
        definition: how it is computed.
        dimensions: what it can be split and filtered by.
        grains: lengths of periods in a series.
        owner: team that answers for it.
        warning: value from which on it is a warning (below which, where higher is better); None for none.
        critical: the same for critical.
        target: value to reach, by default; a project may set its own (``targets`` of its settings).
        at_least: least denominator for which an alert on a ratio makes sense.
    """

    name: str
    kind: Kind
    category: str
    unit: Unit
    better: Better = "higher"
    description: str
    definition: Definition
    dimensions: tuple[Dimension, ...] = VISIT
    grains: tuple[Grain, ...] = GRAINS
    owner: str
    warning: float | None = None
    critical: float | None = None
    target: float | None = None
    at_least: int = 20
