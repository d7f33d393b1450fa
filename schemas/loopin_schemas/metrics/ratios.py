"""What follows from how a ratio is made: how chance moves it, and between which values it lies."""

from __future__ import annotations

from math import inf
from typing import Final, Literal

from loopin_schemas.metrics import definition as d
from loopin_schemas.metrics.metric import Metric

Ratio = Literal["share", "rate"]
"""``share``: how many of some things are such ones, 0 to 1. ``rate``: one number of things over another one
of its kind of which it is no part, such as likes by views: it may be above 1."""

_NUMBERS: Final = (d.Count, d.Users, d.UsersSoFar, d.Sessions)
"""Numbers of things, each of which weighs one."""

_SHARES: Final = (d.Lapsed, d.Followed, d.Retention, d.SoldOut, d.Attendance)

_OF_VALUES: Final = (d.Sum, d.Mean, d.Percentile)

_RANGES: Final = {
    "ratio": (0.0, 1.0),
    "money": (-inf, inf),
    "compound": (-1.0, 1.0),
    "stars": (1.0, 5.0),
}
"""By unit; all others are never below 0."""


def ratio_of(of: d.Definition) -> Ratio | None:
    """Which ratio of numbers of things a value is; None where it is none, or a thing may weigh any amount."""
    if isinstance(of, _SHARES):
        return "share"
    if not isinstance(of, d.Quotient) or not isinstance(of.whole, _NUMBERS):
        return None
    if type(of.part) is not type(of.whole):
        return None
    return "share" if is_part(of.part, of.whole) else "rate"


def is_part(of: d.Definition, whole: d.Definition) -> bool:
    """Whether what the one counts is among what the other counts."""
    if isinstance(of, d.Sessions) and isinstance(whole, d.Sessions):
        return whole.which in ("all", of.which) or (of.which, whole.which) == ("bounced", "viewed")
    counts = (d.Count, d.Users, d.UsersSoFar)
    if type(of) is not type(whole) or not isinstance(of, counts) or not isinstance(whole, counts):
        return False
    named = not whole.of.names or (of.of.names and set(of.of.names) <= set(whole.of.names))
    return bool(named) and set(whole.of.where) <= set(of.of.where)


def range_of(metric: Metric) -> tuple[float, float]:
    """The least and the most that a metric can be; infinite where there is no such bound.

    Money may be anything, and so may growth of it, and what a project makes of numbers in its events. Of a
    project's own metric the unit tells nothing.
    """
    of = metric.definition
    if isinstance(of, d.MonthGrowth):
        return (-inf if isinstance(of.of, d.Revenue) else -1.0), inf
    if isinstance(of, d.Quotient) and is_part(of.part, of.whole):
        return 0.0, 1.0
    if metric.kind == "custom":
        parts = (of.part, of.whole) if isinstance(of, d.Quotient) else (of,)
        return (-inf if any(isinstance(part, _OF_VALUES) for part in parts) else 0.0), inf
    if isinstance(of, d.Quotient) and metric.unit == "ratio":
        return 0.0, inf
    return _RANGES.get(metric.unit, (0.0, inf))
