"""What the stream's windows know of a metric, live: numbers that can be added up.

Numbers of events are there already, by event. A number of events of several names, a mean, or a ratio of two
numbers of events has a series of its own under the metric's name: ``count`` is how many events it is over,
``sum`` what they add up to (of a ratio, the part), so the value of the latter two is ``sum / count`` in any
window, and over any number of them. What is made of distinct users, of sessions or of percentiles cannot be
added up; the store answers for that.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from loopin_schemas.metrics import CATALOGUE
from loopin_schemas.metrics.definition import ACTIVE, Count, Events, Mean, Quotient, Revenue, TrailingUsers
from loopin_schemas.metrics.metric import Metric

Statistic = Literal["count", "sum", "mean"]

DIMENSIONS: Final = ("country",)
"""What series of the catalogue's metrics are split by."""


class Ratio(NamedTuple):
    """Events over events: each of ``whole`` adds one to the count, each of ``part`` one to the sum.

    Of a plain number of events both are the same.
    """

    metric: str
    part: Events
    whole: Events


class Measured(NamedTuple):
    """A number that events carry, added up."""

    metric: str
    of: Mean


class Series(NamedTuple):
    """Where the windows have a metric: its series, and which of its numbers is the value.

    ``own`` says that it has a series of its own, which is split by ``DIMENSIONS``, too. Where it is not
    ``additive``, several windows together have no value.
    """

    metric: str
    dimension: str
    value: str
    statistic: Statistic
    own: bool = True
    additive: bool = True


def series_of(metric: Metric) -> Series | None:
    """The series that has the metric's value; None where the windows do not know it."""
    of = metric.definition
    if isinstance(of, Count) and len(of.of.names) == 1 and not of.of.where:
        return Series("events", "event", of.of.names[0], "count", own=False)
    if isinstance(of, Revenue):
        return Series("revenue", "", "", "sum")
    if of == TrailingUsers(1):
        return Series("active_users", "", "", "count", additive=False)
    # The stream knows nothing of what a project has defined.
    if metric.kind != "custom" and measure_of(metric) is not None:
        return Series(metric.name, "", "", "count" if isinstance(of, Count) else "mean")
    return None


def measure_of(metric: Metric) -> Ratio | Measured | None:
    """What a series of the metric's own adds up; None where it has none."""
    of = metric.definition
    if isinstance(of, Mean):
        return Measured(metric.name, of)
    if isinstance(of, Count) and len(of.of.names) > 1:
        return Ratio(metric.name, of.of, of.of)
    if isinstance(of, Quotient) and isinstance(of.part, Count) and isinstance(of.whole, Count):
        part, whole = of.part.of, of.whole.of
        return Ratio(metric.name, part, whole) if ACTIVE.names not in (part.names, whole.names) else None
    return None


MEASURES: Final[tuple[Ratio | Measured, ...]] = tuple(
    measure for metric in CATALOGUE if (measure := measure_of(metric)) is not None
)
"""What the windows add up for the catalogue, beside what they know of all events."""
