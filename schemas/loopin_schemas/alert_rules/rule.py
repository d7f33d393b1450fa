"""A built-in rule, beside what makes it fire and what does not."""

from __future__ import annotations

from dataclasses import dataclass

from loopin_schemas.alert import Severity
from loopin_schemas.alert_rule import AlertRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What happens in one window, and what the rule says of it.

    ``value`` is in the metric's unit, ``count`` how many events or users it is made of. ``before`` is the
    value (of as many) that a change is judged against, or how many there were before an absence.
    """

    value: float
    count: int = 10_000
    before: float | None = None
    says: Severity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltIn:
    """A rule of every project, unless that has one of its own of this name."""

    rule: AlertRule
    cases: tuple[Case, ...]
