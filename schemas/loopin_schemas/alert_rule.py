"""When somebody is to be told: rules, silences and acknowledgements, as the topic ``config`` keeps them."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from loopin_schemas.alert import Severity
from loopin_schemas.names import NAME
from loopin_schemas.validation import check_project

MAX_RULES: Final = 200
"""Most rules of one project's own."""

Grain = Literal["minute", "hour", "day"]

LONGEST_SPAN: Final = {"minute": 60, "hour": 6, "day": 2}
"""Most windows that can be looked at together: as many as are in memory at the least."""

_Text = Annotated[str, Meta(max_length=500)]
_Name = Annotated[str, Meta(min_length=1, max_length=200)]
_Positive = Annotated[float, Meta(gt=0, le=1e15)]
_Seconds = Annotated[int, Meta(ge=0, le=7 * 86_400)]
_Ms = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]


_Named = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=200)]], Meta(max_length=20)
]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is misspelt must not be taken as if it were not there."""


class Threshold(_Body, frozen=True, kw_only=True, tag="threshold", tag_field="type"):
    """The metric's value passes a limit, one at least: upwards (``above``) or downwards (``below``).

    A limit itself passes: 0.1 is a warning from 0.1 on. The alert ends once the value has come back by the
    share ``hysteresis`` of the limit. A ratio q of n events also has to be more than chance makes of half the
    limit p: its probability then, at most ``exp(-n (q ln(q/p) + (1-q) ln((1-q)/(1-p))))`` (W. Hoeffding, JASA
    58, 1963), must not be above ``chance``; 0 switches that off. Of a ratio of two independent numbers, the
    same is asked of the share that the one is of their sum.
    """

    direction: Literal["above", "below"] = "above"
    warning: float | None = None
    critical: float | None = None
    hysteresis: Annotated[float, Meta(ge=0, lt=1)] = 0.1
    chance: Annotated[float, Meta(ge=0, lt=1)] = 0.01

    def __post_init__(self) -> None:
        if self.warning is None and self.critical is None:
            raise ValueError("give a warning or a critical limit, or both")
        if self.warning is not None and self.critical is not None:
            rises = self.critical >= self.warning
            if rises != (self.direction == "above") and self.critical != self.warning:
                raise ValueError("give a critical limit beyond the warning, in the rule's direction")


class Change(_Body, frozen=True, kw_only=True, tag="change", tag_field="type"):
    """A closed window's value differs from an earlier one's by a share of that (0.5 is half).

    ``against`` is the window before, the one a day before, or a week before. Where that one counts fewer than
    the rule's ``at_least``, nothing is said.
    """

    direction: Literal["up", "down", "both"] = "both"
    against: Literal["previous", "day", "week"] = "previous"
    warning: _Positive | None = None
    critical: _Positive | None = None

    def __post_init__(self) -> None:
        if self.warning is None and self.critical is None:
            raise ValueError("give a warning or a critical share, or both")


class Anomaly(_Body, frozen=True, kw_only=True, tag="anomaly", tag_field="type"):
    """A closed window's value is far from what its season has been: so many robust standard deviations."""

    direction: Literal["up", "down", "both"] = "both"
    warning: _Positive | None = 4.0
    critical: _Positive | None = 6.0


class Absence(_Body, frozen=True, kw_only=True, tag="absence", tag_field="type"):
    """``windows`` closed windows in a row count fewer than ``least``, of something that was there before."""

    windows: Annotated[int, Meta(ge=1, le=60)] = 15
    least: Annotated[int, Meta(ge=1)] = 1
    severity: Severity = "critical"


Condition = Threshold | Change | Anomaly | Absence


class Span(_Body, frozen=True, kw_only=True):
    """So many windows together, up to the newest."""

    grain: Grain
    windows: Annotated[int, Meta(ge=1, le=60)] = 1

    def __post_init__(self) -> None:
        if self.windows > LONGEST_SPAN[self.grain]:
            raise ValueError(f"give a span of at most {LONGEST_SPAN[self.grain]} windows of this grain")


class AlertRule(_Body, frozen=True, kw_only=True, omit_defaults=True):
    """One rule. A project's own of a built-in rule's name stands in its place.

    Attributes:
        project: whose; ``""`` for every project (built-in rules).
        name: its name.
        metric: what is judged: a metric of the catalogue or of one's own, or a series of the stream.
        condition: when it is true.
        grain: length of the windows that are judged.
        spans: how many of them together, up to the newest (so they slide by one): of several numbers, the
            first with ``at_least`` events or users counts. More than 1 is for thresholds only.
        longer: longer ones, that count where none of these has enough. For thresholds only.
        by: dimension; each of its values has an alert of its own. ``""`` for the whole.
        at_least: events or users below which a threshold, a change or an anomaly says nothing.
        for_s: how long it must be true before the alert fires, seconds of event time; 0 for at once.
        quiet_s: after it has ended, seconds of event time until it may fire again.
        remind_s: seconds until an alert that fires unacknowledged is told again; 0 for never.
        escalate_s: seconds until it is told as escalated; 0 for never.
        enabled: False to switch it off.
        description: what it means and what to do, for a person.
        labels: for whoever routes alerts.
    """

    project: str
    name: Annotated[str, Meta(pattern=NAME, max_length=64)]
    metric: _Name
    condition: Condition
    grain: Grain = "minute"
    spans: Annotated[tuple[Annotated[int, Meta(ge=1, le=60)], ...], Meta(min_length=1, max_length=4)] = (1,)
    longer: Annotated[tuple[Span, ...], Meta(max_length=4)] = ()
    by: Annotated[str, Meta(max_length=64)] = ""
    at_least: Annotated[int, Meta(ge=0)] = 0
    for_s: _Seconds = 0
    quiet_s: _Seconds = 3600
    remind_s: _Seconds = 0
    escalate_s: _Seconds = 0
    enabled: bool = True
    description: _Text = ""
    labels: _Named = {}

    def __post_init__(self) -> None:
        if self.project:
            check_project(self.project)
        if max(self.spans) > LONGEST_SPAN[self.grain]:
            raise ValueError(f"give spans of at most {LONGEST_SPAN[self.grain]} windows of this grain")
        if list(self.spans) != sorted(set(self.spans)):
            raise ValueError("give the shortest of the spans first")
        if (self.spans != (1,) or self.longer) and not isinstance(self.condition, Threshold):
            raise ValueError("only thresholds look at several windows together: leave spans at 1")
        if isinstance(self.condition, Change) and (self.condition.against, self.grain) in _UNKNOWN:
            raise ValueError("minutes are compared with the minute before, days not with the day before")

    @property
    def id(self) -> str:
        """Under which it is kept: a project has each name once."""
        return f"{self.project}/{self.name}"


_UNKNOWN: Final = frozenset({("day", "minute"), ("week", "minute"), ("day", "day")})
"""Comparisons that would keep too much, or say the same as the one with the window before."""


class Silence(_Body, frozen=True, kw_only=True, omit_defaults=True):
    """For a time, alerts that match all it names are not delivered: a rule, a severity, a place ..."""

    project: str
    starts_at: _Ms
    ends_at: _Ms
    rule: Annotated[str, Meta(max_length=64)] = ""
    severity: Severity | None = None
    dimensions: _Named = {}
    comment: _Text = ""

    def __post_init__(self) -> None:
        check_project(self.project)
        if self.ends_at <= self.starts_at:
            raise ValueError("give an end after the start")

    def covers(self, rule: str, severity: str, dimensions: dict[str, str], at_ms: int) -> bool:
        """Whether an alert is silent at a moment."""
        return (
            self.starts_at <= at_ms < self.ends_at
            and self.rule in ("", rule)
            and self.severity in (None, severity)
            and self.dimensions.items() <= dimensions.items()
        )


class Acknowledgement(_Body, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody looks after an alert: it is neither told again nor escalated. Kept under the alert's id.

    ``sequence`` is the number of the record that they knew: what has become worse since asks for somebody
    anew.
    """

    project: str
    at: _Ms
    sequence: Annotated[int, Meta(ge=1)]
    comment: _Text = ""

    def __post_init__(self) -> None:
        check_project(self.project)
