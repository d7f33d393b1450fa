"""How a metric is computed, as data: which events, and what of them.

A definition says what, never how: the store's SQL, the stream's windows and the docs are made of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

Operator = Literal["eq", "ne", "gt", "ge", "lt", "le"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A property compared with a value; an event whose property is absent or of another type fails it."""

    property: str
    operator: Operator
    value: str | float | bool


@dataclass(frozen=True, slots=True)
class Events:
    """Events of any of the names that meet all conditions; without names, those that make a user active."""

    names: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()


def events(*names: str, where: Condition | None = None) -> Events:
    """Events of these names, on one condition at most."""
    return Events(names, () if where is None else (where,))


ACTIVE: Final = Events()
"""Every event but those of the system group."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many events."""

    of: Events


@dataclass(frozen=True, slots=True)
class Mean:
    """Mean of ``(value - less) / by`` over the events whose property is a number of ``least`` to ``most``.

    The property ``sentiment`` is the score that the stream gave the event's text. What is beyond a trillion
    is a client's error.
    """

    of: Events
    property: str
    least: float = -1e12
    most: float = 1e12
    less: float = 0.0
    by: float = 1.0


@dataclass(frozen=True, slots=True)
class Sum:
    """Sum of the property, where it is a number.

    ``money`` says that these are amounts in the ``currency`` that their event names: they are converted to
    the project's, and those for which there is no rate are left out.
    """

    of: Events
    property: str
    money: bool = False


@dataclass(frozen=True, slots=True)
class Percentile:
    """The value that the share ``level`` of the events lies below: element floor(level * n) of the sorted."""

    of: Events
    property: str
    level: float


@dataclass(frozen=True, slots=True)
class Users:
    """Distinct persons with such an event in the period."""

    of: Events


@dataclass(frozen=True, slots=True)
class TrailingUsers:
    """Distinct active persons of the ``days`` days that end with the period's last one."""

    days: int


@dataclass(frozen=True, slots=True)
class Stickiness:
    """Mean daily users of the ``days`` days that end with the period's last one / users of them all."""

    days: int = 30


@dataclass(frozen=True, slots=True)
class UsersSoFar:
    """Persons with such an event at any time before the period's end."""

    of: Events


@dataclass(frozen=True, slots=True)
class Retention:
    """Of persons first active on a day of the period, those active ``days`` days later.

    Exactly that day, or with ``rolling`` any day from the next to that one. Days whose outcome is not known
    yet are left out.
    """

    days: int
    rolling: bool = False


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions that began in the period: all, those with a page view, the bounced of these, the crashed."""

    which: Literal["all", "viewed", "bounced", "crashed"] = "all"


@dataclass(frozen=True, slots=True)
class SessionLength:
    """Mean of last minus first event of the sessions that began in the period, minutes."""


@dataclass(frozen=True, slots=True)
class UniquePageViews:
    """Distinct pairs of session and path among the page views."""


@dataclass(frozen=True, slots=True)
class Followed:
    """Of persons with the event ``first`` in the period, those who had ``then`` within ``days`` days.

    Both are of one and the same platform event; ``then`` may lie beyond the period.
    """

    first: str
    then: str
    days: int = 14


@dataclass(frozen=True, slots=True)
class Revenue:
    """Amounts of purchases less those of refunds, in the project's currency."""


@dataclass(frozen=True, slots=True)
class SoldOut:
    """Platform events that were sold out before their start, of those that started in the period.

    One does not start whose last ``event_cancelled`` or ``event_published`` before then, by anybody, is the
    former.
    """


@dataclass(frozen=True, slots=True)
class Attendance:
    """Of the pairs of person and joined platform event, where that started in the period, those attended.

    Which ones started is as for ``SoldOut``.
    """


@dataclass(frozen=True, slots=True)
class OnlineMembers:
    """Members of communities active within ``minutes`` minutes: mean or greatest over a period's minutes."""

    statistic: Literal["mean", "peak"]
    minutes: int = 5


@dataclass(frozen=True, slots=True)
class Lapsed:
    """Of those with such an event ``recent + 1`` to ``before`` days ago, those with none since.

    They are persons, or what the property ``by`` names. Days are counted back from the period's last one.
    """

    of: Events
    before: int
    recent: int = 30
    by: str = ""


@dataclass(frozen=True, slots=True)
class LatestMean:
    """Mean over persons of the property's latest number before the period's end."""

    of: Events
    property: str
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class HighScores:
    """Persons whose score of the model is above ``above``, of those with one."""

    model: str
    above: float


@dataclass(frozen=True, slots=True)
class MonthGrowth:
    """(this - before) / before: the month so far, against as many days of the month before."""

    of: Count | Users | Revenue


@dataclass(frozen=True, slots=True)
class Quotient:
    """One number over another; null where the latter is 0."""

    part: Part
    whole: Part


Part = Count | Sum | Users | UsersSoFar | Sessions | Revenue
"""What a quotient is made of."""

Definition = (
    Count
    | Sum
    | Mean
    | Percentile
    | Users
    | TrailingUsers
    | Stickiness
    | UsersSoFar
    | Retention
    | Sessions
    | SessionLength
    | UniquePageViews
    | Followed
    | Revenue
    | SoldOut
    | Attendance
    | OnlineMembers
    | Lapsed
    | LatestMean
    | HighScores
    | MonthGrowth
    | Quotient
)


def share(part: Events, *others: Events) -> Quotient:
    """How many of all these events are of the first kind."""
    names = (*part.names, *(name for other in others for name in other.names))
    return Quotient(Count(part), Count(Events(tuple(dict.fromkeys(names)))))


def in_money(of: Definition) -> bool:
    """Whether its value depends on the project's currency and rates."""
    if isinstance(of, Quotient):
        return in_money(of.part) or in_money(of.whole)
    return isinstance(of.of if isinstance(of, MonthGrowth) else of, Revenue)


def looks_back(of: Definition) -> bool:
    """Whether a day's value is made mostly of what that of the day before is: one tells little that is new.

    So it is with all that was until then, with trailing weeks and months, and with months so far.
    """
    if isinstance(of, Quotient):
        return looks_back(of.part) or looks_back(of.whole)
    if isinstance(of, TrailingUsers):
        return of.days > 1
    return isinstance(of, (UsersSoFar, LatestMean, Stickiness, Lapsed, HighScores, MonthGrowth))


def event_names(of: Definition) -> tuple[str, ...]:
    """The names of the events that a definition is made of, in its order; without any, all active ones."""
    if isinstance(of, Quotient):
        return tuple(dict.fromkeys((*event_names(of.part), *event_names(of.whole))))
    if isinstance(of, MonthGrowth):
        return event_names(of.of)
    if isinstance(of, Followed):
        return (of.first, of.then)
    if isinstance(of, (Count, Sum, Mean, Percentile, Users, UsersSoFar, Lapsed, LatestMean)):
        return of.of.names
    return _NAMES.get(type(of), ())


_NAMES: Final[dict[type[Any], tuple[str, ...]]] = {
    Revenue: ("ticket_purchased", "payment_refunded"),
    SoldOut: ("event_created", "event_cancelled", "event_published", "event_sold_out"),
    Attendance: ("event_created", "event_cancelled", "event_published", "event_joined", "event_attended"),
    UniquePageViews: ("$pageview",),
}
