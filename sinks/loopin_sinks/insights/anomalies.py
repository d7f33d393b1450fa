"""Periods of metrics that are far from what is usual at their time of the week."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from itertools import groupby
from typing import Final

import msgspec

from loopin_schemas.insight import Evidence, Insight, Priority
from loopin_schemas.metrics import Metric
from loopin_sinks.insights.findings import KEPT_FOR, actions, date_of, of_run, shower, title_of
from loopin_sinks.insights.stored import open_insights
from loopin_sinks.metric_anomalies.found import LENGTH_MS, MetricAnomaly
from loopin_sinks.metric_anomalies.live import LiveAnomaly
from loopin_sinks.metric_anomalies.stored import LATEST, kept_anomalies
from loopin_sinks.metric_values.scope import Scope, epoch_ms, from_epoch_ms
from loopin_sinks.store import Store
from loopin_streams.alerts.seasonal import CRITICAL

IN_A_ROW: Final = 2
"""So many periods in a row are told from the lesser score on: chance makes one of a few hundred calm metrics
each day, and hardly two of the same one, one after the other."""

WEEKS: Final = 5
"""How many weeks back the periods are named that tell what is usual."""

LIVE_FOR: Final = timedelta(hours=6)
"""How long it is of interest what was told of the hour up to then: the hours themselves tell it soon."""


def is_of_metric(insight: Insight) -> bool:
    """Whether it tells of such a period."""
    return insight.insight_type == "anomaly" and insight.target_type == "metric"


async def metric_anomalies(
    store: Store, scope: Scope, metrics: Sequence[Metric], told: Iterable[Insight]
) -> list[Insight]:
    """What there is to say of what was found in the last week; ``told`` is what is said of these metrics.

    What was told of the hour up to then stays, but where the hours themselves are told by now.

    A day that is unusual as a whole is told as ``metric_change``: its hours to the same side are left to it.

    Raises:
        StoreError: the store did not answer.
    """
    known = {metric.name: metric for metric in metrics}
    found = await kept_anomalies(store, scope.project, metrics, scope.now - LATEST, scope.now)
    lately = epoch_ms(scope.now - KEPT_FOR)
    days = {
        (each.target_id, each.evidence.start, each.evidence.value > each.evidence.expected)
        for each in told
        if each.insight_type == "metric_change"
    }
    runs = [run for run in _runs(scope, found) if max(each.found_at for each in run) >= lately]
    made = [
        _insight(scope, known[run[0].metric], run)
        for run in runs
        if _matters(run)
        and not all((each.metric, _midnight(scope, each), each.score > 0) in days for each in run)
    ]
    opened = await open_insights(store, scope.project, scope.now)
    live = (each for each in opened if is_live(each) and each.target_id in known)
    return [*made, *(each for each in live if not any(_tells(one, each) for one in made))]


def is_live(insight: Insight) -> bool:
    """Whether it tells of the hour up to when it was found."""
    return is_of_metric(insight) and insight.id.rpartition("/")[0].endswith("/live")


def _tells(of: Insight, live: Insight) -> bool:
    """Whether an insight of whole hours tells what another did of the hour up to then."""
    one, other = of.evidence, live.evidence
    since, until = one.since or one.start, one.start + LENGTH_MS["hour"]
    return (
        of.target_id == live.target_id
        and (one.value > one.expected) == (other.value > other.expected)
        and since < other.start + LENGTH_MS["hour"]
        and other.start < until
    )


def live_insights(scope: Scope, found: Iterable[LiveAnomaly], opened: Iterable[Insight]) -> list[Insight]:
    """What there is to say of the hour up to now, given what is: nothing of a metric is told twice.

    What was told stays as it was, also where things are back to what is usual: until it expires, or whole
    hours tell of it.
    """
    told = [each for each in opened if is_of_metric(each)]
    kept = [each for each in told if is_live(each)]
    new = [_live(scope, each) for each in found]
    return [*kept, *(each for each in new if not any(_tells(one, each) for one in told))]


def _live(scope: Scope, found: LiveAnomaly) -> Insight:
    at = from_epoch_ms(found.of.start)
    made = _insight(scope, found.metric, [found.of])
    # Values are kept of the clock's hours.
    there = at.astimezone(scope.zone).replace(minute=0, second=0, microsecond=0)
    hour = msgspec.structs.replace(found.of, start=epoch_ms(there))
    return msgspec.structs.replace(
        made,
        evidence=msgspec.structs.replace(made.evidence, compared=_compared(scope, hour)),
        id=f"{scope.project}/anomaly/{found.metric.name}/live/{at:%Y-%m-%dT%H:%MZ}",
        expires_at=epoch_ms(scope.now + LIVE_FOR),
    )


def _runs(scope: Scope, found: Iterable[MetricAnomaly]) -> list[list[MetricAnomaly]]:
    """Those of one metric, grain and side that follow each other without a gap."""
    runs: list[list[MetricAnomaly]] = []
    for _, group in groupby(found, key=lambda each: (each.metric, each.grain)):
        previous: MetricAnomaly | None = None
        for each in group:
            goes_on = (
                previous is not None
                and (previous.score > 0) == (each.score > 0)
                and epoch_ms(_end(scope, previous)) == each.start
            )
            if goes_on:
                runs[-1].append(each)
            else:
                runs.append([each])
            previous = each
    return runs


def _matters(run: Sequence[MetricAnomaly]) -> bool:
    return len(run) >= IN_A_ROW or abs(run[0].score) >= CRITICAL


def _midnight(scope: Scope, of: MetricAnomaly) -> int:
    return epoch_ms(scope.midnight(scope.day_of(from_epoch_ms(of.start))))


def _end(scope: Scope, of: MetricAnomaly) -> datetime:
    start = from_epoch_ms(of.start)
    if of.grain == "day":
        return scope.midnight(scope.day_of(start) + 1)
    return start + timedelta(milliseconds=LENGTH_MS[of.grain])


def _insight(scope: Scope, metric: Metric, run: Sequence[MetricAnomaly]) -> Insight:
    first, last, far = run[0], run[-1], max(run, key=lambda each: abs(each.score))
    show, above = shower(metric.unit, scope.currency), far.score > 0
    worse = above != (metric.better == "higher")
    change = of_run(metric, scope.currency, [(each.value, each.expected) for each in run])
    end, row = _end(scope, last), f"; {len(run)} {last.grain}s in a row" if len(run) > 1 else ""
    start, peak = from_epoch_ms(first.start), from_epoch_ms(far.start)
    return Insight(
        id=f"{scope.project}/anomaly/{metric.name}/{first.grain}/{start:%Y-%m-%dT%H:%MZ}",
        project=scope.project,
        insight_type="anomaly",
        target_id=metric.name,
        title=f"{title_of(metric)} was unusually {'high' if above else 'low'} "
        f"{when(scope, first.grain, start, end)}{change}",
        description=f"{show(far.value)} {when(scope, far.grain, peak, _end(scope, far))}, where "
        f"{show(far.expected)} is usual at that time of the week and "
        f"{f'up to {show(far.high)}' if above else f'down to {show(far.low)}'} is within chance{row}.",
        confidence_score=far.confidence,
        is_actionable=worse,
        suggested_actions=actions(metric, first.grain) if worse else (),
        priority=_priority(far, worse),
        evidence=Evidence(
            metric=metric.name,
            grain=last.grain,
            start=last.start,
            value=last.value,
            calculated_at=last.calculated_at,
            expected=last.expected,
            low=last.low,
            high=last.high,
            compared=_compared(scope, last),
            since=first.start if len(run) > 1 else None,
        ),
        created_at=epoch_ms(scope.now),
        expires_at=max(each.found_at for each in run) + KEPT_FOR // timedelta(milliseconds=1),
    )


def _priority(far: MetricAnomaly, worse: bool) -> Priority:
    if not worse:
        return "low"
    return "high" if abs(far.score) >= CRITICAL else "medium"


def _compared(scope: Scope, of: MetricAnomaly) -> tuple[int, ...]:
    """The starts of the same hour, or weekday, of the weeks before, as far as values were learned from."""
    weeks = min(WEEKS, of.compared // (7 if of.grain == "day" else 168))
    there = from_epoch_ms(of.start).astimezone(scope.zone)
    # By the clocks of the zone: the same hour is one more or less away where these were put on or back.
    return tuple(epoch_ms(there - timedelta(days=7 * week)) for week in range(weeks, 0, -1))


def when(scope: Scope, grain: str, start: datetime, end: datetime) -> str:
    """A time as a person says it: the day or days, and of hours from when to when.

    A time that the clocks show twice, as they are put back, has its offset beside it.
    """
    there, until = start.astimezone(scope.zone), end.astimezone(scope.zone)
    on, last = f"{there:%A %-d %B}", date_of(scope.day_of(end - timedelta(milliseconds=1)))
    if grain == "day":
        return f"on {on}" if last == there.date() else f"from {on} to {last:%A %-d %B}"
    since, to = _clock(there), _clock(until) if until.date() == last else "24:00"
    if last == there.date():
        return f"on {on} from {since} to {to}"
    return f"from {on} {since} to {last:%A %-d %B} {to}"


def _clock(at: datetime) -> str:
    offset, other = at.utcoffset(), at.replace(fold=1 - at.fold).utcoffset()
    assert offset is not None, "times are aware"
    return f"{at:%H:%M}" if offset == other else f"{at:%H:%M} ({timezone(offset)})"
