"""The alerts that the watcher has raised, and what is new of them since it was last published."""

from __future__ import annotations

from typing import Final

from loopin_schemas.alert import Alert
from loopin_streams.alerts import book
from loopin_streams.alerts.book import About
from loopin_streams.alerts.judgement import Judgement
from loopin_streams.alerts.lifecycle import Moment, Rule
from loopin_streams.alerts.room import Room
from loopin_streams.alerts.rules import Rules
from loopin_streams.alerts.source import source_of
from loopin_streams.kafka.job import Message

ROOM: Final = Room(most=10_000, most_of_project=1_000, certain=10)
"""Alerts watched at once; further ones wait until others have ended, and are counted."""


class Book(book.Book):
    """``take`` gives what is new since the last time."""

    def __init__(self, rules: Rules, room: Room = ROOM) -> None:
        super().__init__(rules, room)
        self._told: list[Alert] = []

    def take(self) -> tuple[list[Alert], list[Message]]:
        """Records for the topic ``alerts``, and changes of the state for ``watch.state``."""
        told, self._told = self._told, []
        return told, [*self.changes()]

    def judge(self, of: Rule, project: str, value: str, judgement: Judgement, now: Moment) -> list[Alert]:
        """Take in a judgement; the records that follow from it are taken later."""
        records = super().judge(of, project, value, judgement, now)
        self._told += records
        return records

    def tick(self, now: Moment) -> None:
        """What follows from time, and from what people have said; what is over is left out in time."""
        self._told += self.pass_time(now, self._rule)
        for about, watched in self.all():
            rule = self._rule(about)
            if watched.over and not watched.waiting and rule and not watched.silent(rule.rule, now.event_ms):
                self.forget(about)

    def _rule(self, about: About) -> Rule | None:
        rule = self._rules.find(about.project, about.rule)
        return rule if rule is not None and source_of(rule.rule) is None else None
