"""The alerts that the watcher has raised, and the past of what it judges: what a restart must not forget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec.structs import replace

from loopin_schemas.alert import Alert
from loopin_schemas.alert_rule import AlertRule
from loopin_schemas.codec import decode, encode
from loopin_schemas.topics import WATCH_STATE
from loopin_streams.alerts.history import Histories, History
from loopin_streams.alerts.judgement import Judgement
from loopin_streams.alerts.lifecycle import Handling, Moment, Rule, Watched, given_up, judged, timed
from loopin_streams.alerts.rules import Rules
from loopin_streams.alerts.seasonal import Kind
from loopin_streams.alerts.source import source_of
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.job import Message

ALERT_PREFIX: Final = b"a:"
"""Begins the keys of alerts on the topic ``watch.state``."""

MOST: Final = 10_000
"""Alerts watched at once; further ones wait until others have ended."""


class About(NamedTuple):
    """What an alert is about."""

    project: str
    rule: str
    value: str


class Book:
    """Alerts by what they are about; ``take`` gives what is new since the last time."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._watched: dict[About, Watched] = {}
        self._changed: set[About] = set()
        self._told: list[Alert] = []
        self._histories = Histories(rules.zone)

    @property
    def firing(self) -> int:
        """Alerts that fire, whether somebody looks after them or not."""
        return sum(each.alert.state in ("firing", "acknowledged") for each in self._watched.values())

    def restore(self, state: Mapping[bytes, bytes]) -> None:
        """Take in what :meth:`take` has given.

        Raises:
            RefusedToOpen: ``state_unreadable``.
        """
        for key, value in state.items():
            if key.startswith(ALERT_PREFIX):
                watched = _decoded(key, value)
                self._watched[_about(watched.alert)] = watched
        self._histories.restore(state)

    def take(self) -> tuple[list[Alert], list[Message]]:
        """Records for the topic ``alerts``, and changes of the state for ``watch.state``."""
        told, self._told = self._told, []
        changes: list[Message] = []
        for about in sorted(self._changed):
            watched = self._watched.get(about)
            changes.append((_key(about), None if watched is None else encode(watched)))
        self._changed.clear()
        return told, [*changes, *self._histories.changes()]

    def values(self, project: str, rule: str) -> list[str]:
        """The values of the rule's dimension with an alert that is not over, or may fire again."""
        return [about.value for about in self._watched if (about.project, about.rule) == (project, rule)]

    def projects(self) -> set[str]:
        """Projects with an alert."""
        return {about.project for about in self._watched}

    def judge(self, of: Rule, project: str, value: str, judgement: Judgement, now: Moment) -> None:
        """Take in a judgement."""
        about = About(project, of.rule.name, value)
        watched = self._watched.get(about)
        if watched is None and (judgement.verdict.severity is None or len(self._watched) >= MOST):
            return
        dimensions = {of.rule.by: value} if of.rule.by else {}
        found, alerts = judged(watched, of, project, dimensions, judgement, now)
        if alerts and found is not None and not found.over:
            # A silence that is there already holds from the first record on.
            handling = self._handling(found, now.clock_ms)
            if handling.silenced and not found.alert.silenced:
                alerts[-1] = found.alert = replace(found.alert, silenced=True)
        self._keep(about, found, alerts)

    def pass_time(self, now: Moment) -> None:
        """What follows from time, and from what people have said: reminders, escalation, silences."""
        for about, watched in tuple(self._watched.items()):
            rule = self._rules.find(about.project, about.rule)
            by = "" if rule is None else rule.rule.by
            other = watched.alert.dimensions != ({by: about.value} if by else {})
            if rule is None or source_of(rule.rule) is not None or other:
                self._keep(about, *given_up(watched, now, "the rule was removed, changed or switched off."))
            elif watched.over:
                if not watched.waiting and not watched.silent(rule.rule, now.event_ms):
                    self._keep(about, None, [])
            else:
                self._keep(about, *timed(watched, rule, self._handling(watched, now.clock_ms), now))

    def history(self, project: str, rule: AlertRule, value: str, kind: Kind) -> History:
        """The past of one series."""
        return self._histories.of(About(project, rule.name, value), rule, kind)

    def known(self, project: str, rule: str) -> set[str]:
        """Of which values of the rule's dimension there is a past."""
        return self._histories.values(project, rule)

    def learned(self, project: str, rule: str, value: str) -> None:
        """Say that a past has changed."""
        self._histories.touch(About(project, rule, value))

    def _keep(self, about: About, watched: Watched | None, alerts: list[Alert]) -> None:
        self._told += alerts
        if watched is None:
            if self._watched.pop(about, None) is not None:
                self._changed.add(about)
        elif alerts or watched is not self._watched.get(about):
            self._watched[about] = watched
            self._changed.add(about)

    def _handling(self, watched: Watched, clock_ms: int) -> Handling:
        alert = watched.alert
        return self._rules.handling(
            alert.id, alert.project, alert.rule, alert.severity, alert.dimensions, clock_ms
        )


def _about(alert: Alert) -> About:
    return About(alert.project, alert.rule, next(iter(alert.dimensions.values()), ""))


def _key(about: About) -> bytes:
    return ALERT_PREFIX + ":".join(about).encode()


def _decoded(key: bytes, value: bytes) -> Watched:
    try:
        return decode(value, Watched)
    except (ValueError, RecursionError) as error:
        raise RefusedToOpen(
            "state_unreadable",
            f"The alert {key[:120]!r} on the topic {WATCH_STATE.name} cannot be read ({error}): a newer "
            "version may have written it; run that version.",
        ) from error
