"""The task that judges alert rules by the store: those that the stream's windows cannot tell of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, tzinfo
from time import monotonic, time
from typing import Final

import structlog
from aiokafka.errors import KafkaError
from prometheus_client.core import Metric

from loopin_schemas.alert_rule import AlertRule
from loopin_schemas.alert_rules.pipeline import HEALTH, SYSTEM_PROJECT
from loopin_schemas.topics import ALERTS, WATCH_STATE
from loopin_sinks.alerts.book import Book
from loopin_sinks.alerts.instruments import (
    FAILURES,
    FIRING,
    JUDGEMENTS,
    LEFT_OUT,
    SECONDS,
    WATCH_FAILING,
)
from loopin_sinks.alerts.journal import Journal
from loopin_sinks.alerts.judge import Judge, Times
from loopin_sinks.alerts.measured import Measured, ScopeOf
from loopin_sinks.alerts.numbers import Health, Numbers
from loopin_sinks.alerts.projects import Projects
from loopin_sinks.alerts.tidy import Tidy
from loopin_sinks.alerts.totals import NotJudged
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store, StoreError
from loopin_streams.alerts.lifecycle import Moment, Rule
from loopin_streams.alerts.rules import Rules
from loopin_streams.alerts.source import source_of
from loopin_streams.kafka.config_log import ConfigLog
from loopin_streams.kafka.config_writer import config_writer
from loopin_streams.kafka.errors import Fenced, RefusedToOpen
from loopin_streams.kafka.outbox import Probe, no_probe
from loopin_streams.kafka.waiting import wait_for_topics
from loopin_streams.windows.grains import BY_NAME

log = structlog.get_logger(__name__)

TICK_S: Final = 1.0
"""Pause between two looks at what people have said and at whether this process leads, seconds."""

RETRY_S: Final = 5.0
"""Pause after a failure, seconds."""

LOOKS_A_SPAN: Final = 30
"""A rule that looks an hour back is judged every two minutes: its numbers change no faster."""

STORE, RULE = "store", "rule"

Clock = Callable[[], float]


class AlertWatcher:
    """Judges rules one after the other, and publishes what follows from each project at once.

    ``failing`` holds one sentence while it cannot work. A rule that cannot be judged is logged once and
    counted, and leaves its alerts as they are.
    """

    def __init__(
        self,
        settings: SinkSettings,
        store: Store,
        config: ConfigLog,
        *,
        scope_of: ScopeOf,
        health: Health,
        leads: Callable[[], bool],
        zone: Callable[[str], tzinfo] = lambda _: UTC,
        clock: Clock = time,
        probe: Probe = no_probe,
    ) -> None:
        """``config`` is run by somebody else. ``leads`` says whether this process is the one that judges."""
        self.failing: str | None = None
        self._settings = settings
        self._config = config
        self._leads = leads
        self._clock = clock
        self._probe = probe
        self._health = health
        self._rules = Rules(lambda: config.configuration, zone)
        self._projects = Projects(store)
        self._tidy = Tidy(store, lambda: config.configuration, config_writer(settings))
        self._numbers = Numbers(store, Measured(store, scope_of, lambda: config.configuration), health)
        self._journal: Journal | None = None
        self._book = Book(self._rules)
        self._judge = Judge(self._numbers, self._book)
        self._due: dict[tuple[str, str], float] = {}
        self._said: dict[tuple[str, str], str] = {}
        self._passed_at = 0.0
        self._judgements = 0
        self._seconds = 0.0
        self._left_out = 0
        self._failures = {STORE: 0, RULE: 0}

    async def run(self, stop: asyncio.Event) -> None:
        """Judge until ``stop`` is set; what fails is tried again."""
        if await wait_for_topics(self._settings, [ALERTS.name, WATCH_STATE.name], stop) is None:
            return
        try:
            while not await _stopped(stop, TICK_S if self.failing is None else RETRY_S):
                await self._guarded(stop)
        finally:
            await self._let_go()

    async def look(self, stop: asyncio.Event, *, everything: bool = False) -> None:
        """Judge what is due (or everything now), where this process leads and knows the rules.

        Raises:
            StoreError: the store does not say which projects there are, or which alerts are over.
            Fenced, KafkaError, RefusedToOpen: nothing is known of what was last published.
        """
        if not self._leads() or not self._config.known.is_set():
            await self._let_go()
            return
        if self._journal is None:
            await self._begin()
        await self._publish()
        # First, and without the store: that may be what is ill.
        for of in self._rules.of(SYSTEM_PROJECT):
            if of.rule.metric in HEALTH:
                await self._judge_when_due(of, SYSTEM_PROJECT, everything)
        await self._publish()
        names = await self._projects.names(self._clock())
        known = {*names, *self._book.projects()}
        for project in sorted({*known, SYSTEM_PROJECT}):
            for of in self._rules.of(project):
                if stop.is_set() or not self._leads():
                    return
                if source_of(of.rule) is None and _concerns(of.rule, project, project in known):
                    await self._judge_when_due(of, project, everything)
            await self._publish()
        await self._tidy.look(self._clock(), everything=everything)

    def collect(self) -> Iterator[Metric]:
        """``WATCH_METRICS``."""
        judgements, seconds, failures = JUDGEMENTS.counter(), SECONDS.counter(), FAILURES.counter()
        judgements.add_metric([], self._judgements)
        seconds.add_metric([], self._seconds)
        for reason, number in self._failures.items():
            failures.add_metric([reason], number)
        left_out = LEFT_OUT.counter()
        left_out.add_metric([], self._left_out + self._book.left_out)
        firing, failing = FIRING.gauge(), WATCH_FAILING.gauge()
        if self._journal is not None:
            firing.add_metric([], self._book.firing)
        failing.add_metric([], float(self.failing is not None))
        yield from (judgements, failures, seconds, left_out, firing, failing)

    async def _guarded(self, stop: asyncio.Event) -> None:
        try:
            await self.look(stop)
            self.failing = None
        except StoreError as error:
            self._fail(str(error))
        except (Fenced, KafkaError, RefusedToOpen, OSError, TimeoutError, ValueError) as error:
            # What is held may be ahead of what was published: the next look begins with the latter.
            self._fail(str(error) or type(error).__name__)
            await self._let_go()

    def _fail(self, reason: str) -> None:
        if reason != self.failing:
            log.warning("alerts_not_watched", reason=reason)
        self.failing = reason

    async def _begin(self) -> None:
        journal = Journal(self._settings, self._probe)
        try:
            state = await journal.open()
            self._left_out += self._book.left_out
            self._book = Book(self._rules)
            self._book.restore(state, WATCH_STATE.name)
        except BaseException:
            await journal.close()
            raise
        self._judge = Judge(self._numbers, self._book)
        self._due.clear()
        self._journal = journal

    async def _let_go(self) -> None:
        journal, self._journal = self._journal, None
        if journal is not None:
            await journal.close()

    async def _judge_when_due(self, of: Rule, project: str, now: bool) -> None:
        place, begun = (project, of.rule.name), monotonic()
        if not now and begun < self._due.get(place, 0.0):
            return
        try:
            times = self._times(of.rule)
            if times is not None:
                await self._judge.judge(of, project, times)
                self._judgements += 1
                self._said.pop(place, None)
        except StoreError as error:
            self._note(place, STORE, str(error))
        except (NotJudged, ValueError) as error:
            # A value that is no number must not end the watch over all other rules.
            self._note(place, RULE, str(error))
        took = monotonic() - begun
        self._seconds += took
        # However slow the store is, no rule keeps it busy for more than half of the time.
        self._due[place] = begun + max(self._every_s(of.rule), 2 * took)

    def _note(self, place: tuple[str, str], kind: str, reason: str) -> None:
        self._failures[kind] += 1
        if self._said.get(place) != reason:
            self._said[place] = reason
            log.warning("alert_rule_not_judged", project=place[0], rule=place[1], reason=reason)

    def _every_s(self, rule: AlertRule) -> float:
        if rule.metric in HEALTH:
            return 0.0
        if rule.grain == "day":
            return self._settings.alert_day_interval_s
        span_s = max(rule.spans) * BY_NAME[rule.grain].size_ms / 1000
        least_s = self._settings.alert_interval_s
        return max(least_s, min(span_s / LOOKS_A_SPAN, 4 * least_s))

    def _times(self, rule: AlertRule) -> Times | None:
        """None while nobody knows how much of what was received can be queried."""
        now = round(self._clock() * 1000)
        if rule.metric in HEALTH:
            return Times(now, now)
        behind_s = self._health("freshness").value
        return None if behind_s is None else Times(now, now - round(behind_s * 1000))

    def _now(self) -> Moment:
        now = round(self._clock() * 1000)
        return Moment(now, now)

    async def _publish(self) -> None:
        """Tell what is new, once a second also what follows from time and from what people have said."""
        if monotonic() - self._passed_at >= TICK_S:
            self._passed_at = monotonic()
            self._book.tick(self._now())
        alerts, changes = self._book.take()
        if (alerts or changes) and self._journal is not None:
            await self._journal.commit(alerts, changes)


def _concerns(rule: AlertRule, project: str, has_events: bool) -> bool:
    """The pipeline is the system's own, and judged before: no other project is told of it, unless it asks."""
    return has_events if rule.metric not in HEALTH else project == rule.project != SYSTEM_PROJECT


async def _stopped(stop: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True
