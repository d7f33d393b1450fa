"""A rule of the stream over stored windows, by the code that judges it live.

Each minute of history is looked at twice: when all its events are in, and when the next one begins. Longer
windows grow from their minutes, as they do live, where those are still stored; else they come whole, at their
end. What is stored is final: what came late counts as if it had been in time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, tzinfo
from typing import Final, NamedTuple

from loopin_schemas.alert_rule import AlertRule
from loopin_schemas.window import Cell, Window
from loopin_schemas.window import Grain as GrainName
from loopin_sinks.alerts.episodes import Episode, Episodes
from loopin_sinks.alerts.heard import Heard, OnlyRule
from loopin_streams.alerts.alarms import Alarms
from loopin_streams.alerts.lifecycle import Rule
from loopin_streams.merge.merged_windows import MergedWindows
from loopin_streams.windows.grains import BY_NAME, HOUR_MS, MINUTE_MS
from loopin_streams.windows.series import Series

EVERY_MS: Final[dict[GrainName, int]] = {"minute": MINUTE_MS, "hour": MINUTE_MS, "day": HOUR_MS}
"""How often time itself is looked at, by the rule's grain: a day's window is kept for three years."""


class StoredWindow(NamedTuple):
    """A series' window that starts at ``start`` (epoch ms): how many, and the sum of what was measured.

    ``total`` is in whole millionths, None where nothing is measured.
    """

    grain: GrainName
    start: int
    series: Series
    number: int
    total: int | None

    @property
    def cell(self) -> Cell:
        """As the merge adds it up."""
        return Cell(*self.series, self.number, self.total)


def replay(
    rule: Rule,
    project: str,
    windows: Iterable[StoredWindow],
    since_ms: int,
    until_ms: int,
    zone: tzinfo = UTC,
) -> list[Episode]:
    """Episodes of a rule from ``since_ms`` to ``until_ms``, both at whole minutes.

    ``windows`` are those of the rule's grains, and the minutes that they grow from, in order of their end;
    ``zone`` is the project's.
    """
    history = _History(rule, project, zone)
    by_minute = _by_last_minute(windows)
    every = EVERY_MS[rule.rule.grain]
    for minute in _moments(sorted(by_minute), since_ms, until_ms, every):
        history.pass_minute(minute, by_minute.get(minute, ()))
    return history.episodes.found


class _History:
    def __init__(self, rule: Rule, project: str, zone: tzinfo) -> None:
        self.episodes = Episodes()
        self._project = project
        self._grains = grains_of(rule.rule)
        self._windows = MergedWindows()
        rules = OnlyRule(rule, zone)
        self._heard = Heard(rules)
        self._alarms = Alarms(rules, self._windows, {}, self._heard)
        self._grown: dict[tuple[GrainName, Series], tuple[int, int, int | None]] = {}

    def pass_minute(self, minute: int, stored: Sequence[StoredWindow]) -> None:
        """Take in a minute's windows, and those that end with it."""
        end = minute + MINUTE_MS
        touched = self._windows.take(0, self._changed(stored))
        # The watermark is a minute behind the events, and so at the minute's start when its last ones come.
        self._alarms.look(touched, minute - 1, end)
        for window in touched:
            # As once it is published: the next look sees what has changed since.
            window.unpublished.clear()
        self._alarms.look((), minute, end)
        self._windows.drop_gone(minute)
        for value, judgement, alerts in self._heard.said:
            self.episodes.take(value, judgement, alerts, end)
        self._heard.said.clear()

    def _changed(self, stored: Sequence[StoredWindow]) -> Iterator[Window]:
        cells: dict[tuple[GrainName, int], dict[Series, Cell]] = defaultdict(dict)
        for window in sorted(stored, key=lambda one: one.grain != "minute"):
            for name in self._grains:
                if window.grain == name:
                    # What is stored as a whole counts, whatever its minutes say.
                    cells[name, window.start][window.series] = window.cell
                elif window.grain == "minute":
                    start, cell = self._grow(name, window)
                    cells[name, start][window.series] = cell
        for (name, start), of in cells.items():
            yield Window(project=self._project, grain=name, start=start, cells=[*of.values()])

    def _grow(self, name: GrainName, minute: StoredWindow) -> tuple[int, Cell]:
        start = BY_NAME[name].start(minute.start)
        begun, count, total = self._grown.get((name, minute.series), (start, 0, None))
        if begun != start:
            count, total = 0, None
        count += minute.number
        if minute.total is not None:
            total = (total or 0) + minute.total
        self._grown[name, minute.series] = start, count, total
        return start, Cell(*minute.series, count, total)


def grains_of(rule: AlertRule) -> tuple[GrainName, ...]:
    """Of which lengths the windows are that the rule is judged by."""
    return tuple(dict.fromkeys((rule.grain, *(span.grain for span in rule.longer))))


def _by_last_minute(windows: Iterable[StoredWindow]) -> dict[int, list[StoredWindow]]:
    found: dict[int, list[StoredWindow]] = defaultdict(list)
    for window in windows:
        found[window.start + BY_NAME[window.grain].size_ms - MINUTE_MS].append(window)
    return found


def _moments(known: Sequence[int], since_ms: int, until_ms: int, every: int) -> list[int]:
    """Starts of the minutes to look at: those in which something ends, and every so often."""
    last_minutes = range(since_ms + every - MINUTE_MS, until_ms, every)
    return sorted({*last_minutes, *(at for at in known if since_ms <= at < until_ms)})
