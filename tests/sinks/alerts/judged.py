"""A project whose numbers a test says, judged minute by minute, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from loopin_schemas.alert_rule import AlertRule
from loopin_schemas.alert_rules.pipeline import HEALTH
from loopin_schemas.metrics.ratios import Ratio
from loopin_sinks.alerts.book import Book
from loopin_sinks.alerts.judge import Judge, Times
from loopin_sinks.alerts.subject import Subject, subject_of
from loopin_sinks.alerts.totals import Total, Totals
from loopin_streams.alerts.lifecycle import Moment, Rule
from loopin_streams.alerts.rules import Rules
from loopin_streams.alerts.seasonal import Kind
from loopin_streams.alerts.source import source_of
from loopin_streams.kafka.config_state import Configuration
from tests.sinks.alerts.planted import NOW
from tests.streams.alerts.world import configure

Window = Callable[[int, int], Totals]
"""The numbers from a start to an end, epoch ms."""


@dataclass
class Said:
    """Numbers that a test says; ``asked`` are the windows that were asked for."""

    of: Window
    kept: Kind = "count"
    ratio: Ratio | None = None
    lag: Total = Total(0, 0.0)
    asked: list[tuple[int, int]] = field(default_factory=list)

    def subject(self, project: str, rule: AlertRule) -> Subject:
        if rule.metric in HEALTH:
            return subject_of(rule, None)
        return Subject(None, self.kept, self.ratio)

    def health(self, metric: str) -> Total:
        return self.lag

    async def totals(self, project: str, rule: AlertRule, edges: Sequence[int], now_ms: int) -> list[Totals]:
        spans = list(zip(edges, edges[1:], strict=False))
        self.asked += spans
        return [self.of(*span) for span in spans]


@dataclass
class Judged:
    """One rule of a project. ``at`` is the clock, epoch ms; all that is received is stored at once."""

    rule: AlertRule
    said: Said
    at: int = NOW
    configuration: Configuration = field(default_factory=Configuration)
    told: list[dict[str, Any]] = field(default_factory=list)
    state: dict[bytes, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert source_of(self.rule) is None
        configure(self.configuration, self.rule.id, self.rule)
        self.restart()

    def restart(self) -> None:
        """Begin with nothing but what was taken."""
        self.rules = Rules(lambda: self.configuration)
        self.book = Book(self.rules)
        self.book.restore(self.state, "watch.state")
        numbers: Any = self.said
        self.judge = Judge(numbers, self.book)

    @property
    def project(self) -> str:
        return self.rule.project

    async def look(self, *, behind: int = 0) -> list[str]:
        """Judge now, and tell what is new."""
        of = self.rules.find(self.project, self.rule.name)
        assert isinstance(of, Rule)
        await self.judge.judge(of, self.project, Times(self.at, self.at - behind))
        return self.second()

    def second(self) -> list[str]:
        """What follows from time alone."""
        self.book.tick(Moment(self.at, self.at))
        alerts, changes = self.book.take()
        for key, value in changes:
            assert key is not None
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        found = [{name: getattr(alert, name) for name in alert.__struct_fields__} for alert in alerts]
        self.told += found
        return [f"{alert['event']} {alert['severity']}" for alert in found]

    async def until(self, end: int, step: int, *, restart: bool = False) -> list[str]:
        """What is told until a time, looking every ``step`` ms."""
        found: list[str] = []
        while self.at < end:
            if restart:
                self.restart()
            found += await self.look()
            self.at += step
        return found
