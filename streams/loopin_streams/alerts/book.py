"""The alerts that are open, or were until lately, and the past of what is judged: what no restart forgets.

Both who judges by windows and who judges by the store keep theirs so, each on a state topic of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

import structlog
from msgspec.structs import replace

from loopin_schemas.alert import Alert
from loopin_schemas.codec import encode
from loopin_streams.alerts.history import Histories
from loopin_streams.alerts.judgement import Judgement
from loopin_streams.alerts.lifecycle import (
    Handling,
    Moment,
    Rule,
    Watched,
    dimensions_of,
    given_up,
    judged,
    timed,
)
from loopin_streams.alerts.restored import watched_of
from loopin_streams.alerts.room import UNBOUNDED, Room
from loopin_streams.alerts.rules import Rules
from loopin_streams.kafka.job import Message

log = structlog.get_logger(__name__)

ALERT_PREFIX: Final = b"a:"
"""Begins the keys of alerts on a state topic."""

GONE: Final = "the rule was removed, changed or switched off."

LEFT_OUT: Final = 10_000
"""Alerts without room that are remembered, so that each is counted once."""


class About(NamedTuple):
    """What an alert is about."""

    project: str
    rule: str
    value: str


RuleOf = Callable[[About], Rule | None]
"""The rule that an alert is judged by; None where nobody here judges it any more."""


class Book:
    """Alerts by what they are about; each is told of by its records, once.

    ``left_out`` counts alerts that there was no room for: they fire once others have ended.
    """

    def __init__(self, rules: Rules, room: Room = UNBOUNDED) -> None:
        self.histories = Histories(rules.zone)
        self.left_out = 0
        self._rules = rules
        self._room = room
        self._watched: dict[About, Watched] = {}
        self._changed: set[About] = set()
        self._of_project: dict[str, int] = {}
        self._without_room: dict[About, None] = {}

    def __len__(self) -> int:
        return len(self._watched)

    @property
    def firing(self) -> int:
        """Alerts that fire, whether somebody looks after them or not."""
        return sum(each.alert.state in ("firing", "acknowledged") for each in self._watched.values())

    def restore(self, state: Mapping[bytes, bytes], topic: str) -> None:
        """Take in what :meth:`changes` has given; ``topic`` is the state's.

        What another release has written goes on as far as it can be read, see :mod:`restored`.
        """
        for key, value in state.items():
            if key.startswith(ALERT_PREFIX):
                watched = watched_of(key, value, topic)
                if watched is not None:
                    self._put(_about(watched.alert), watched)
        self.histories.restore(state, topic)

    def changes(self) -> Iterator[Message]:
        """What changed since the last time, for the state topic."""
        for about in sorted(self._changed):
            watched = self._watched.get(about)
            yield _key(about), None if watched is None else encode(watched)
        self._changed.clear()
        yield from self.histories.changes()

    def find(self, about: About) -> Watched | None:
        """What is watched of something."""
        return self._watched.get(about)

    def all(self) -> tuple[tuple[About, Watched], ...]:
        """All that is watched, as it is now."""
        return tuple(self._watched.items())

    def values(self, project: str, rule: str) -> list[str]:
        """The values of the rule's dimension with an alert that is not over, or may fire again."""
        if project not in self._of_project:
            return []
        return [about.value for about in self._watched if (about.project, about.rule) == (project, rule)]

    def projects(self) -> set[str]:
        """Projects with an alert."""
        return set(self._of_project)

    def judge(self, of: Rule, project: str, value: str, judgement: Judgement, now: Moment) -> list[Alert]:
        """Take in a judgement; the records that follow from it."""
        about = About(project, of.rule.name, value)
        watched = self._watched.get(about)
        if watched is None and (judgement.verdict.severity is None or not self._has_room(about)):
            return []
        found, alerts = judged(watched, of, project, dimensions_of(of.rule, value), judgement, now)
        if alerts and found is not None and not found.over:
            # A silence that is there already holds from the first record on.
            handling = self._handling(found, now.clock_ms)
            if handling.silenced and not found.alert.silenced:
                alerts[-1] = found.alert = replace(found.alert, silenced=True)
        self._keep(about, found, alerts)
        return alerts

    def pass_time(self, now: Moment, rule_of: RuleOf) -> list[Alert]:
        """What follows from time, and from what people have said: reminders, escalation, silences."""
        records: list[Alert] = []
        for about, watched in self.all():
            of = rule_of(about)
            if of is None or dimensions_of(of.rule, about.value) != watched.alert.dimensions:
                found, alerts = given_up(watched, now, GONE)
            else:
                found, alerts = timed(watched, of, self._handling(watched, now.clock_ms), now)
            self._keep(about, found, alerts)
            records += alerts
        return records

    def forget(self, about: About) -> None:
        """Leave out what is over, and may fire again as if nothing had been."""
        self._keep(about, None, [])

    def _has_room(self, about: About) -> bool:
        if self._room.admits(self._of_project.get(about.project, 0), len(self._watched)):
            self._without_room.pop(about, None)
            return True
        if about not in self._without_room:
            if not any(each.project == about.project for each in self._without_room):
                log.warning("alerts_left_out", project=about.project, watched=len(self._watched))
            self.left_out += 1
            if len(self._without_room) >= LEFT_OUT:
                self._without_room.pop(next(iter(self._without_room)))
            self._without_room[about] = None
        return False

    def _keep(self, about: About, watched: Watched | None, alerts: list[Alert]) -> None:
        if watched is None:
            if self._watched.pop(about, None) is not None:
                self._changed.add(about)
                self._count(about.project, -1)
        elif alerts or watched is not self._watched.get(about):
            self._put(about, watched)
            self._changed.add(about)

    def _put(self, about: About, watched: Watched) -> None:
        if about not in self._watched:
            self._count(about.project, 1)
        self._watched[about] = watched

    def _count(self, project: str, more: int) -> None:
        number = self._of_project.get(project, 0) + more
        if number:
            self._of_project[project] = number
        else:
            self._of_project.pop(project, None)

    def _handling(self, watched: Watched, clock_ms: int) -> Handling:
        alert = watched.alert
        return self._rules.handling(
            alert.id, alert.project, alert.rule, alert.severity, alert.dimensions, clock_ms
        )


def _about(alert: Alert) -> About:
    return About(alert.project, alert.rule, next(iter(alert.dimensions.values()), ""))


def _key(about: About) -> bytes:
    return ALERT_PREFIX + ":".join(about).encode()
