"""What rules on closed windows remember of a series: earlier values to compare with, and its season."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, tzinfo
from math import inf
from typing import Final

import msgspec
import structlog

from loopin_schemas.alert import ExpectedRange, Severity
from loopin_schemas.alert_rule import AlertRule, Anomaly, Change
from loopin_schemas.codec import decoder, encode
from loopin_schemas.metrics import by_name
from loopin_schemas.metrics.ratios import range_of
from loopin_streams.alerts.judgement import QUIET, Verdict, judge_change
from loopin_streams.alerts.restored import read_or_none
from loopin_streams.alerts.seasonal import Kind, SeasonalModel, SeasonalState
from loopin_streams.kafka.job import Message
from loopin_streams.windows.grains import BY_NAME, DAY_MS

log = structlog.get_logger(__name__)

HISTORY_PREFIX: Final = b"h:"
"""Begins the keys of histories on the job's state topic."""

SILENT_MS: Final = 28 * DAY_MS
"""A series in which nothing has happened for so long is forgotten."""

MOST: Final = 10_000
"""Series remembered in a partition; further ones are not judged by their past."""


VERSION: Final = 1
"""Of the form of a past; one of another form begins anew."""


class _Stored(msgspec.Struct, array_like=True):
    """A series' past, as it is kept: earlier windows as (start, count, value), newest last."""

    version: int = VERSION
    project: str = ""
    rule: str = ""
    value: str = ""
    earlier: list[tuple[int, int, float]] = []
    last: int | None = None
    season: SeasonalState | None = None
    happened: int = 0
    """Start of the newest window in which anything happened."""


_decode = decoder(_Stored).decode


class History:
    """The past of one series under one rule."""

    def __init__(self, stored: _Stored, rule: AlertRule, kind: Kind, zone: tzinfo) -> None:
        self.stored = stored
        grain = BY_NAME[rule.grain]
        condition = rule.condition
        self._back = 0
        self._season: SeasonalModel | None = None
        if isinstance(condition, Change):
            lengths = {"previous": grain.size_ms, "day": DAY_MS, "week": 7 * DAY_MS}
            self._back = lengths[condition.against]
        elif isinstance(condition, Anomaly):
            self._season = SeasonalModel(rule.grain, kind, zone=zone, state=stored.season)
            stored.season = self._season.state

    def expects(self, start: int) -> bool:
        """Whether the window is newer than all that it has learned from."""
        return self.stored.last is None or start > self.stored.last

    def judge(self, rule: AlertRule, start: int, count: int, value: float) -> Verdict:
        """What the rule says of a closed window's value."""
        condition = rule.condition
        if isinstance(condition, Change):
            before = next((each for each in self.stored.earlier if each[0] == start - self._back), None)
            if before is None or before[1] < rule.at_least:
                return QUIET
            return judge_change(condition, value, before[2])
        if not isinstance(condition, Anomaly) or self._season is None:
            return QUIET
        expected = self._season.expected(start)
        score = self._season.score(start, value)
        if expected is None or score is None or max(count, expected.center) < rule.at_least:
            return QUIET
        least, most = _range(rule)
        between = ExpectedRange(low=max(least, expected.low), high=min(most, expected.high))
        return _judge_score(condition, score, between)

    def learn(self, start: int, number: int, value: float | None, *, fired: bool) -> None:
        """Take the window in, after it was judged."""
        self.stored.last = start
        if number:
            self.stored.happened = start
        if value is None:
            return
        if self._season is not None:
            self._season.learn(start, value, fired)
            # A model that begins anew has another one.
            self.stored.season = self._season.state
        if self._back:
            since = start - self._back
            kept = [each for each in self.stored.earlier if each[0] >= since]
            self.stored.earlier = [*kept, (start, number, value)]


class Histories:
    """All of a merge partition, by project, rule and value of the rule's dimension.

    Hours of the day and weekdays are those of a project's ``zone``.
    """

    def __init__(self, zone: Callable[[str], tzinfo] = lambda _: UTC) -> None:
        self._zone = zone
        self._stored: dict[tuple[str, str, str], _Stored] = {}
        self._by_rule: dict[tuple[str, str], set[str]] = {}
        self._changed: set[tuple[str, str, str]] = set()

    def of(self, about: tuple[str, str, str], rule: AlertRule, kind: Kind) -> History:
        """One series' past; a new one that there is no room for is forgotten at once."""
        stored = self._stored.get(about)
        if stored is None:
            project, name, value = about
            stored = _Stored(project=project, rule=name, value=value)
            if len(self._stored) < MOST:
                self._add(about, stored)
        return History(stored, rule, kind, self._zone(about[0]))

    def values(self, project: str, rule: str) -> set[str]:
        """Of which values of the rule's dimension there is a past."""
        return set(self._by_rule.get((project, rule), ()))

    def forget(self, wanted: Callable[[tuple[str, str, str]], bool], now_ms: int) -> None:
        """Leave out what no rule asks for any more, and series in which nothing has happened for long."""
        gone = [
            about
            for about, stored in self._stored.items()
            if not wanted(about) or (stored.last is not None and now_ms - stored.happened > SILENT_MS)
        ]
        for about in gone:
            del self._stored[about]
            self._by_rule[about[:2]].discard(about[2])
            self._changed.add(about)

    def touch(self, about: tuple[str, str, str]) -> None:
        """Say that a past has changed."""
        if about in self._stored:
            self._changed.add(about)

    def restore(self, state: Mapping[bytes, bytes], topic: str) -> None:
        """Take in what :meth:`changes` has written to the state's ``topic``.

        A past of another release is learned anew, which the log says.
        """
        anew = 0
        for key, value in state.items():
            if key.startswith(HISTORY_PREFIX):
                stored = read_or_none(value, _decode, VERSION)
                if stored is None:
                    anew += 1
                else:
                    self._add((stored.project, stored.rule, stored.value), stored)
        if anew:
            log.warning("histories_begin_anew", number=anew, topic=topic)

    def changes(self) -> Iterator[Message]:
        """What changed since the last time, for the state topic."""
        for about in sorted(self._changed):
            stored = self._stored.get(about)
            yield HISTORY_PREFIX + ":".join(about).encode(), None if stored is None else encode(stored)
        self._changed.clear()

    def _add(self, about: tuple[str, str, str], stored: _Stored) -> None:
        self._stored[about] = stored
        self._by_rule.setdefault(about[:2], set()).add(about[2])


def _range(rule: AlertRule) -> tuple[float, float]:
    metric = by_name(rule.metric)
    return (-inf, inf) if metric is None else range_of(metric)


def _judge_score(of: Anomaly, score: float, expected: ExpectedRange) -> Verdict:
    """How many robust standard deviations a value is away from what was expected."""
    if (of.direction == "up" and score < 0) or (of.direction == "down" and score > 0):
        return Verdict(None, expected=expected)
    limits: tuple[tuple[Severity, float | None], ...] = (("critical", of.critical), ("warning", of.warning))
    for severity, limit in limits:
        if limit is not None and abs(score) >= limit:
            return Verdict(severity, expected.high if score > 0 else expected.low, True, expected)
    return Verdict(None, expected=expected)
