"""What becomes of an alert: pending, firing, acknowledged, resolved; never twice, and never back and forth.

A function of what is known and what is judged, whoever judges: the stream its windows, the store the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from loopin_schemas.alert import Alert, AlertEvent, Severity
from loopin_schemas.alert_rule import Absence, AlertRule
from loopin_streams.alerts.judgement import Judgement
from loopin_streams.alerts.wording import message_of
from loopin_streams.windows.grains import BY_NAME

SECOND_MS: Final = 1000

WATCHED_VERSION: Final = 1
"""Of the form of ``Watched``; what is of another one is read as far as it can be."""

LONGEST_ID: Final = 150
"""Bytes of an id with all that it is about; of a longer one there is a hash, so that it fits everywhere."""


class Rule(NamedTuple):
    """A rule in force in a project, and its version."""

    rule: AlertRule
    version: str


class Handling(NamedTuple):
    """What people have said of an alert: who looks after it (``""``: nobody), and whether it is silenced.

    ``acknowledged`` is the number of the record that they knew.
    """

    acknowledged_by: str = ""
    silenced: bool = False
    acknowledged: int = 0


class Moment(NamedTuple):
    """Now, epoch ms: in the time of events, and by the clock."""

    event_ms: int
    clock_ms: int


class Watched(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An alert that is not over, or was until lately.

    ``alert`` is its newest record. ``since_ms`` and ``ended_ms`` say in event time since when the rule is
    true and until when it was; windows that began before ``after_ms`` were an earlier alert's matter, and
    are not judged again. ``told_ms`` is when somebody was last told, by the clock; ``asked`` is the record
    that asks for somebody to look after it: an acknowledgement of an earlier one was of something less bad.
    ``waiting`` says of one that is over that the rule is true again, and since it is to be quiet, nobody was
    told.
    """

    alert: Alert
    since_ms: int
    ended_ms: int | None = None
    after_ms: int | None = None
    told_ms: int = 0
    asked: int = 0
    waiting: Severity | None = None
    version: int = WATCHED_VERSION

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.alert.state == "resolved"

    def silent(self, rule: AlertRule, event_ms: int) -> bool:
        """Whether it may not fire again yet."""
        return self.ended_ms is not None and event_ms - self.ended_ms < rule.quiet_s * SECOND_MS


def dimensions_of(rule: AlertRule, value: str) -> dict[str, str]:
    """What an alert on one value of the rule's dimension is about."""
    return {rule.by: value} if rule.by else {}


Step = tuple[Watched | None, list[Alert]]
"""What is watched from now on, and the records to publish."""


def judged(
    watched: Watched | None,
    of: Rule,
    project: str,
    dimensions: Mapping[str, str],
    judgement: Judgement,
    now: Moment,
) -> Step:
    """What follows from a new judgement."""
    rule, verdict = of.rule, judgement.verdict
    if watched is None or watched.over:
        severity = verdict.severity
        if watched is not None and verdict.holds and isinstance(rule.condition, Absence):
            # That it was there before is forgotten in the meantime.
            severity = severity or watched.waiting
        if watched is not None and (severity is None or watched.silent(rule, now.event_ms)):
            return (watched if watched.waiting == severity else replace(watched, waiting=severity)), []
        if severity is None:
            return None, []
        judgement = judgement._replace(verdict=verdict._replace(severity=severity))
        return _opened(of, project, dimensions, judgement, now, watched)
    if verdict.severity is None and not verdict.holds:
        return _resolved(watched, of, judgement, now, judgement.reason)
    if watched.alert.state == "pending":
        if verdict.severity is None or now.event_ms - watched.since_ms < rule.for_s * SECOND_MS:
            return watched, []
        return _fired(watched, of, judgement, now)
    if verdict.severity == "critical" and watched.alert.severity == "warning":
        changes = {"severity": "critical", "state": "firing", "acknowledged_by": "", **_told(of, judgement)}
        return _asked(_next(watched, "worse", now, changes))
    return watched, []


def timed(watched: Watched, of: Rule, handling: Handling, now: Moment) -> Step:
    """What follows from the time that has passed, and from what people have said."""
    rule, alert = of.rule, watched.alert
    records: list[Alert] = []
    if watched.over or alert.state == "pending":
        return watched, records

    def add(event: AlertEvent, **changes: Any) -> None:
        nonlocal watched
        found, more = _next(watched, event, now, changes)
        if found is not None:
            watched = found
        records.extend(more)

    if handling.silenced != alert.silenced:
        add("silenced" if handling.silenced else "unsilenced", silenced=handling.silenced)
    answered = handling.acknowledged_by and handling.acknowledged >= watched.asked
    if answered and watched.alert.state == "firing":
        add("acknowledged", state="acknowledged", acknowledged_by=handling.acknowledged_by)
    if watched.alert.state != "firing" or watched.alert.silenced:
        return watched, records
    fired = watched.alert.fired_at
    waits = fired is not None and now.clock_ms - fired >= rule.escalate_s * SECOND_MS
    if rule.escalate_s and waits and not watched.alert.escalated:
        add("escalated", escalated=True)
    if rule.remind_s and now.clock_ms - watched.told_ms >= rule.remind_s * SECOND_MS:
        add("reminded")
    return watched, records


def given_up(watched: Watched, now: Moment, reason: str) -> Step:
    """An alert whose rule is no more."""
    if watched.over:
        return None, []
    changes = {"state": "resolved", "resolved_at": now.clock_ms, "reason": reason}
    _, records = _next(watched, "resolved", now, changes)
    return None, records


def _opened(
    of: Rule,
    project: str,
    dimensions: Mapping[str, str],
    judgement: Judgement,
    now: Moment,
    before: Watched | None,
) -> Step:
    rule = of.rule
    alert = Alert(
        id=_id(project, rule, dimensions, now),
        sequence=0,
        event="pending",
        state="pending",
        severity=judgement.verdict.severity or "warning",
        project=project,
        rule=rule.name,
        rule_version=of.version,
        metric=rule.metric,
        dimensions=dict(dimensions),
        value=judgement.value,
        window=judgement.window,
        message="",
        labels=dict(rule.labels),
        opened_at=now.clock_ms,
        at=now.clock_ms,
    )
    after_ms = None if before is None else before.after_ms
    watched = Watched(alert=alert, since_ms=now.event_ms, after_ms=after_ms)
    if rule.for_s:
        return _next(watched, "pending", now, _told(of, judgement))
    return _fired(watched, of, judgement, now)


def _fired(watched: Watched, of: Rule, judgement: Judgement, now: Moment) -> Step:
    changes = {"state": "firing", "fired_at": now.clock_ms, **_told(of, judgement)}
    if judgement.verdict.severity is not None:
        changes["severity"] = judgement.verdict.severity
    return _asked(_next(watched, "fired", now, changes))


def _asked(step: Step) -> Step:
    """From now on somebody is to look after it."""
    watched, records = step
    return (None if watched is None else replace(watched, asked=watched.alert.sequence)), records


def _resolved(watched: Watched, of: Rule, judgement: Judgement, now: Moment, reason: str) -> Step:
    changes = {"state": "resolved", "resolved_at": now.clock_ms, "reason": reason, **_told(of, judgement)}
    found, records = _next(watched, "resolved", now, changes)
    if found is None or watched.alert.fired_at is None:
        return None, records
    # What is open now was seen not to be bad, and is no part of it: were an open hour or day left out, nobody
    # would be told of what happens in the rest of it.
    after_ms = BY_NAME[of.rule.grain].start(now.event_ms)
    return replace(found, ended_ms=now.event_ms, after_ms=after_ms), records


def _told(of: Rule, judgement: Judgement) -> dict[str, Any]:
    """What a record says of a judgement."""
    return {
        "rule_version": of.version,
        "value": judgement.value,
        "threshold": judgement.verdict.threshold,
        "expected": judgement.verdict.expected,
        "count": judgement.number,
        "window": judgement.window,
        "windows": list(judgement.windows),
    }


def _next(watched: Watched, event: AlertEvent, now: Moment, changes: Mapping[str, Any]) -> Step:
    """The next record of an alert."""
    alert = replace(
        watched.alert, **changes, event=event, at=now.clock_ms, sequence=watched.alert.sequence + 1
    )
    alert = replace(alert, message=message_of(alert))
    return replace(watched, alert=alert, told_ms=now.clock_ms), [alert]


def _id(project: str, rule: AlertRule, dimensions: Mapping[str, str], now: Moment) -> str:
    """Another one for each time that an alert is opened, of which there is one at most at a time."""
    about = ",".join(f"{name}={value}" for name, value in dimensions.items())
    if len(about.encode()) > LONGEST_ID - len(project) - len(rule.name):
        about = sha256(about.encode()).hexdigest()[:32]
    return ":".join(filter(None, (project, rule.name, about, str(now.clock_ms))))
