"""One rule that is tried over history: what is configured then, and what is said."""

from __future__ import annotations

from datetime import tzinfo

from loopin_schemas.alert import Alert
from loopin_streams.alerts.book import Book
from loopin_streams.alerts.judgement import Judgement
from loopin_streams.alerts.lifecycle import Moment, Rule
from loopin_streams.alerts.rules import Rules


class OnlyRule(Rules):
    """One rule is in force, and nobody has said anything of its alerts."""

    def __init__(self, rule: Rule, zone: tzinfo) -> None:
        super().__init__(zone=lambda _: zone)
        self._only = (rule,)

    def of(self, project: str) -> tuple[Rule, ...]:
        """The rule."""
        return self._only


class Heard(Book):
    """A book that keeps in ``said`` what was judged, with the records that this brought."""

    def __init__(self, rules: Rules) -> None:
        super().__init__(rules)
        self.said: list[tuple[str, Judgement, list[Alert]]] = []

    def judge(self, of: Rule, project: str, value: str, judgement: Judgement, now: Moment) -> list[Alert]:
        """Take in a judgement; the records that follow from it."""
        alerts = super().judge(of, project, value, judgement, now)
        self.said.append((value, judgement, alerts))
        return alerts
