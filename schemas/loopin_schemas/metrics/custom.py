"""A metric that a user has defined: what is kept of it, and the metric that it makes.

Names of events and properties are anything that clients send; they are only ever bound to queries, never part
of their text.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from loopin_schemas.metrics.definition import (
    Condition,
    Count,
    Definition,
    Events,
    Mean,
    Operator,
    Part,
    Percentile,
    Quotient,
    Sum,
    Users,
)
from loopin_schemas.metrics.metric import VISIT, Better, Dimension, Metric, Unit
from loopin_schemas.names import NAME
from loopin_schemas.validation import check_project

MAX_CUSTOM: Final = 100
"""Most metrics of one project's own."""

_Name = Annotated[str, Meta(min_length=1, max_length=200)]

DIMENSIONS: Final[tuple[Dimension, ...]] = (*VISIT, "community", "event", "event_id", "content_type")


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is misspelt must not be taken as if it were not there."""


class Test(_Body, frozen=True, kw_only=True):
    """A property of an event compared with a value; text only for equal (``eq``) and unequal (``ne``)."""

    property: _Name
    operator: Operator = "eq"
    value: Annotated[str, Meta(max_length=200)] | float | bool

    def __post_init__(self) -> None:
        if not isinstance(self.value, (int, float)) and self.operator not in ("eq", "ne"):
            raise ValueError("texts are equal or not: use the operator eq or ne")


class Selection(_Body, frozen=True):
    """Events of any of these names that pass all tests."""

    events: Annotated[tuple[_Name, ...], Meta(min_length=1, max_length=20)]
    where: Annotated[tuple[Test, ...], Meta(max_length=10)] = ()

    def made(self) -> Events:
        """As the catalogue has it."""
        return Events(
            self.events, tuple(Condition(test.property, test.operator, test.value) for test in self.where)
        )


class CountOf(_Body, frozen=True, tag="count", tag_field="type"):
    """How many events."""

    of: Selection

    def made(self) -> Count:
        """As the catalogue has it."""
        return Count(self.of.made())


class UsersOf(_Body, frozen=True, tag="users", tag_field="type"):
    """How many persons have such an event."""

    of: Selection

    def made(self) -> Users:
        """As the catalogue has it."""
        return Users(self.of.made())


class SumOf(_Body, frozen=True, tag="sum", tag_field="type"):
    """Sum of a number that the events carry; of a metric whose unit is money, in the project's currency."""

    of: Selection
    property: _Name

    def made(self) -> Sum:
        """As the catalogue has it."""
        return Sum(self.of.made(), self.property)


class MeanOf(_Body, frozen=True, tag="mean", tag_field="type"):
    """Mean of a number that the events carry."""

    of: Selection
    property: _Name

    def made(self) -> Mean:
        """As the catalogue has it."""
        return Mean(self.of.made(), self.property)


class PercentileOf(_Body, frozen=True, tag="percentile", tag_field="type"):
    """The number that the share ``level`` of the events lies below."""

    of: Selection
    property: _Name
    level: Annotated[float, Meta(ge=0, le=1)]

    def made(self) -> Percentile:
        """As the catalogue has it."""
        return Percentile(self.of.made(), self.property, self.level)


class RatioOf(_Body, frozen=True, tag="ratio", tag_field="type"):
    """One number over another."""

    part: CountOf | UsersOf | SumOf
    whole: CountOf | UsersOf | SumOf

    def made(self) -> Quotient:
        """As the catalogue has it."""
        return Quotient(self.part.made(), self.whole.made())


class CustomMetric(_Body, frozen=True, kw_only=True, omit_defaults=True):
    """A metric of a project's own, as the topic ``config`` keeps it."""

    project: str
    name: Annotated[str, Meta(pattern=NAME, max_length=64)]
    description: Annotated[str, Meta(min_length=1, max_length=500)]
    definition: CountOf | UsersOf | SumOf | MeanOf | PercentileOf | RatioOf
    unit: Unit = "count"
    better: Better = "higher"
    category: Annotated[str, Meta(min_length=1, max_length=64)] = "custom"
    owner: Annotated[str, Meta(max_length=200)] = ""
    warning: float | None = None
    critical: float | None = None
    target: float | None = None

    def __post_init__(self) -> None:
        check_project(self.project)

    @property
    def id(self) -> str:
        """Under which it is kept: a project has each name once."""
        return f"{self.project}/{self.name}"

    def metric(self) -> Metric:
        """As one of the catalogue."""
        definition: Definition = self.definition.made()
        if self.unit == "money":
            definition = _in_money(definition)
        return Metric(
            name=self.name,
            kind="custom",
            category=self.category,
            unit=self.unit,
            better=self.better,
            description=self.description,
            definition=definition,
            dimensions=DIMENSIONS,
            owner=self.owner,
            warning=self.warning,
            critical=self.critical,
            target=self.target,
        )


def _in_money(of: Definition) -> Definition:
    if isinstance(of, Sum):
        return replace(of, money=True)
    if isinstance(of, Quotient):
        return replace(of, part=_part_in_money(of.part), whole=_part_in_money(of.whole))
    return of


def _part_in_money(of: Part) -> Part:
    return replace(of, money=True) if isinstance(of, Sum) else of
