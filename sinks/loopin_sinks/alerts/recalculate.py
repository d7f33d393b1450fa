"""A rule that the store is asked for over past time, by the code that judges it live."""

from __future__ import annotations

from typing import Final

from loopin_schemas.alert_rule import Threshold
from loopin_schemas.window import Grain as GrainName
from loopin_sinks.alerts.episodes import Episode, Episodes
from loopin_sinks.alerts.heard import Heard, OnlyRule
from loopin_sinks.alerts.judge import Judge, Times
from loopin_sinks.alerts.numbers import Numbers
from loopin_sinks.alerts.remembered import Remembered, Window
from loopin_sinks.alerts.security import is_security
from loopin_sinks.metric_values.scope import Scope
from loopin_streams.alerts.lifecycle import Rule
from loopin_streams.windows.grains import BY_NAME, DAY_MS, HOUR_MS, MINUTE_MS

MOST_LOOKS: Final = 300
"""Moments of the past that a rule is judged at, at most."""

PACES: Final[dict[GrainName, tuple[int, ...]]] = {
    "minute": (MINUTE_MS, 2 * MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS),
    "hour": (2 * MINUTE_MS, 5 * MINUTE_MS, 10 * MINUTE_MS, 15 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS),
    "day": (15 * MINUTE_MS, HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS, DAY_MS),
}
"""How often a rule is judged, by its grain, ms: at first as often as the watcher does."""


async def recalculate(
    numbers: Numbers, rule: Rule, scope: Scope, since_ms: int, until_ms: int
) -> list[Episode]:
    """Episodes of a rule of the scope's project over a time, judged at each of its :func:`looks`.

    Raises:
        StoreError: the store did not answer.
    """
    project, zone = scope.project, scope.zone
    remembered, book, episodes = Remembered(numbers), Heard(OnlyRule(rule, zone)), Episodes()
    judge = Judge(remembered, book)
    moments = looks(rule, since_ms, until_ms)
    if isinstance(rule.rule.condition, Threshold) and not is_security(rule.rule.metric):
        await remembered.learn(project, rule.rule, _judged_over(rule, moments))
    for at in moments:
        await judge.judge(rule, project, Times(at, at))
        for value, judgement, alerts in book.said:
            episodes.take(value, judgement, alerts, at)
        book.said.clear()
    return episodes.found


def looks(rule: Rule, since_ms: int, until_ms: int) -> range:
    """When a rule is judged in a time, its end included: as often as the watcher does, or as it may be."""
    paces = PACES[rule.rule.grain]
    length = until_ms - since_ms
    every = next((pace for pace in paces if length <= pace * MOST_LOOKS), paces[-1])
    return range(-(-since_ms // every) * every, until_ms + 1, every)


def _judged_over(rule: Rule, moments: range) -> set[Window]:
    """The windows that are most often asked for: those up to the newest closed and the open ones."""
    grain = BY_NAME[rule.rule.grain]
    found: set[Window] = set()
    for at in moments:
        times = Times(at, at)
        for end in range(times.closed(grain), times.newest(grain) + 1, grain.size_ms):
            for number in rule.rule.spans:
                found.add((end - (number - 1) * grain.size_ms, min(end + grain.size_ms, at)))
    return {(start, end) for start, end in found if start < end}
