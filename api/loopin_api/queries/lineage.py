"""What an insight rests on, as far as the store still has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, get_args

from loopin_schemas.anomaly import Anomaly, AnomalyKind
from loopin_schemas.insight import Evidence, Insight
from loopin_schemas.metrics import Grain, Metric
from loopin_schemas.metrics.definition import Events, event_names
from loopin_schemas.scores.trending import WEIGHTS
from loopin_sinks.anomalies.stored import Wanted, anomalies
from loopin_sinks.content.pieces import of_content
from loopin_sinks.forecasts.stored import Told, forecasts_before
from loopin_sinks.insights.trending import LOOKED_BACK, piece_of
from loopin_sinks.insights.unusual import WEEK
from loopin_sinks.metric_history.stored import Kept, kept_name, kept_values
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms, from_epoch_ms
from loopin_sinks.metric_values.sql import Query, users_of
from loopin_sinks.personas.activity import DAYS
from loopin_sinks.personas.stored import StoredRun, newest_run
from loopin_sinks.scores.read import ScoredUser, score_of
from loopin_sinks.store import Store
from loopin_streams.windows.grains import HOUR_MS

MAX_RANGES: Final = 1_000
"""Most ranges of offsets in an answer: a topic has as many as partitions."""

NEWEST: Final = 10
"""Most events that are named one by one: a user's newest ones before a score."""

_GRAINS: Final[Mapping[str, Grain]] = {"hour": "hour", "week": "week"}

_MOMENT: Final = timedelta(milliseconds=1)
_ABOUT: Final = timedelta(days=1)
"""How far an event's time may be from the one at which it was counted."""


@dataclass(frozen=True, slots=True)
class Offsets:
    """Records of one partition of ``events.enriched``: how many, and the first and last of their offsets."""

    topic_id: str
    partition: int
    events: int
    first_offset: int
    last_offset: int


@dataclass(frozen=True, slots=True)
class Behind:
    """The events of a time [start, end) that a value is made of; without ``names`` all that are active."""

    names: Sequence[str]
    start: datetime
    end: datetime
    ranges: Sequence[Offsets]

    @property
    def events(self) -> int:
        """How many there are."""
        return sum(each.events for each in self.ranges)


@dataclass(frozen=True, slots=True)
class OneEvent:
    """One event, and where it is in ``events.enriched``."""

    uuid: str
    event: str
    timestamp: datetime
    topic_id: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Lineage:
    """What is known of an insight's evidence.

    Attributes:
        start, end: the period that it is about, in UTC; ``end`` is excluded.
        now: what is kept of the period's value by now; None for nothing.
        compared: the same of the periods that tell what is usual, or that were not as forecast, by start in
            epoch ms.
        forecast: what was forecast of the period; None where that is not kept, or none was made.
        run: the run that found the personas; None where it is not kept, or there was none.
        events: behind the value; None where nobody knows any more how it is made.
        score: what is predicted of the user by now; None where nothing is, or the insight is of no score.
        newest: the user's last events before the score, newest first.
        anomaly: what was odd about the user; None where it is about something else, or not kept.
    """

    start: datetime
    end: datetime
    now: Kept | None = None
    compared: Mapping[int, Kept | None] | None = None
    forecast: Told | None = None
    run: StoredRun | None = None
    events: Behind | None = None
    score: ScoredUser | None = None
    newest: Sequence[OneEvent] = ()
    anomaly: Anomaly | None = None


async def lineage(store: Store, scope: Scope, insight: Insight, metric: Metric | None) -> Lineage:
    """What the store has of an insight's evidence.

    Args:
        store: to ask.
        scope: the insight's project.
        insight: the insight.
        metric: the metric that it is about; None for none, or where there is none of its name any more.

    Raises:
        StoreError: the store did not answer.
    """
    start = from_epoch_ms(insight.evidence.start)
    if insight.insight_type == "prediction":
        return await _of_score(store, scope, insight, start)
    if insight.insight_type == "anomaly" and insight.target_type == "user":
        return await _of_anomaly(store, scope, insight, start)
    if insight.target_type == "user":
        return await _of_user(store, scope, insight, start)
    if insight.target_type == "content":
        return await _of_content(store, scope, insight, start)
    end = _end(scope, insight.evidence.grain, start)
    if metric is None:
        return Lineage(start, end)
    return await _of_metric(store, scope, insight.evidence, metric, start, end)


async def _of_user(store: Store, scope: Scope, insight: Insight, until: datetime) -> Lineage:
    of = insight.evidence
    run = await newest_run(store, scope.project, from_epoch_ms(of.calculated_at))
    start, query = until - timedelta(days=DAYS), Query(scope)
    theirs = f"{query.source(start, until)} AND user IN ({users_of(query, [insight.target_id])})"
    return Lineage(
        start,
        until,
        run=run if run is not None and run.model_version == of.model_version else None,
        events=Behind((), start, until, await _ranges(store, query, theirs)),
    )


async def _of_score(store: Store, scope: Scope, insight: Insight, at: datetime) -> Lineage:
    # Nothing of later is in it; what is of the same millisecond may be.
    start, until, query = at - timedelta(days=DAYS), at + _MOMENT, Query(scope)
    theirs = f"{query.source(start, until)} AND user IN ({users_of(query, [insight.target_id])})"
    target = insight.evidence.metric.removesuffix("_score")
    return Lineage(
        start,
        until,
        events=Behind((), start, until, await _ranges(store, query, theirs)),
        score=await score_of(store, scope.project, target, insight.target_id),
        newest=await _newest(store, query, theirs),
    )


async def _of_content(store: Store, scope: Scope, insight: Insight, until: datetime) -> Lineage:
    start, query = until - LOOKED_BACK, Query(scope)
    span, piece = Periods((start, until)), piece_of(insight.target_id)
    acts = of_content(query, Events(tuple(WEIGHTS)), span, [piece])
    return Lineage(
        start, until, events=Behind(tuple(WEIGHTS), start, until, await _ranges(store, query, acts))
    )


async def _newest(store: Store, query: Query, source: str) -> list[OneEvent]:
    rows = await query.rows(
        store,
        f"""
        SELECT toString(uuid) AS uuid, toString(event) AS event, timestamp, toString(_topic_id) AS topic_id,
            _partition AS partition, _offset AS offset
        FROM {source} ORDER BY timestamp DESC, partition, offset DESC LIMIT {query.bind(NEWEST, "UInt32")}
        """,
    )
    return [OneEvent(**row) for row in rows]


def _end(scope: Scope, grain: str, start: datetime) -> datetime:
    if grain == "hour":
        return start + timedelta(hours=1)
    return scope.midnight(scope.day_of(start) + (WEEK if grain == "week" else 1))


def _before(scope: Scope, of: Evidence, start: datetime) -> list[int]:
    """The starts of the periods in a row before the last one, epoch ms."""
    if of.since is None:
        return []
    if of.grain == "hour":
        return list(range(of.since, of.start, HOUR_MS))
    return [
        epoch_ms(scope.midnight(day))
        for day in range(scope.day_of(from_epoch_ms(of.since)), scope.day_of(start))
    ]


async def _of_anomaly(store: Store, scope: Scope, insight: Insight, at: datetime) -> Lineage:
    of = insight.evidence
    since = from_epoch_ms(of.start if of.since is None else of.since)
    wanted = Wanted(start=at, end=at + _MOMENT, distinct_id=insight.target_id)
    found = await anomalies(store, scope.project, wanted, len(get_args(AnomalyKind)))
    one = next((each for each in found if each.kind == of.metric), None)
    if one is None:
        return Lineage(since, at + _MOMENT)
    query = Query(scope)
    # By its place, not by its time: a client's clock may be ahead, and what came last need not be the newest.
    lately = query.source(since - _ABOUT, at + _ABOUT)
    user = query.bind(one.distinct_id, "String")
    source = f"{lately} AND distinct_id = {user} AND {_is_raw(query, one)}"
    behind = Behind((), since, at + _MOMENT, await _ranges(store, query, source))
    return Lineage(since, at + _MOMENT, events=behind, anomaly=one)


def _is_raw(query: Query, of: Anomaly) -> str:
    partition, offset = query.bind(of.raw_partition, "UInt32"), query.bind(of.raw_offset, "Int64")
    return f"_raw_partition = {partition} AND _raw_offset = {offset}"


async def _of_metric(
    store: Store, scope: Scope, of: Evidence, metric: Metric, start: datetime, end: datetime
) -> Lineage:
    since = start if of.since is None else from_epoch_ms(of.since)
    compared = sorted({*of.compared, *_before(scope, of, start)})
    first = from_epoch_ms(compared[0]) if compared else start
    name = kept_name(metric)
    grain = _GRAINS.get(of.grain, "day")
    kept = await kept_values(store, scope, [metric], grain, first, end)
    query, names = Query(scope), event_names(metric.definition)
    return Lineage(
        start,
        end,
        now=kept.get((name, of.start)),
        compared={at: kept.get((name, at)) for at in compared},
        forecast=await _forecast(store, scope, of, metric),
        events=Behind(
            names, since, end, await _ranges(store, query, query.events(Events(names), since, end))
        ),
    )


async def _forecast(store: Store, scope: Scope, of: Evidence, metric: Metric) -> Told | None:
    if of.forecast_made_at is None:
        return None
    made_at = from_epoch_ms(of.forecast_made_at)
    told = await forecasts_before(store, scope, [metric], made_at, _MOMENT)
    found = told.get(kept_name(metric), {}).get(of.start)
    return found if found is not None and found.made_at == of.forecast_made_at else None


async def _ranges(store: Store, query: Query, source: str) -> list[Offsets]:
    rows = await query.rows(
        store,
        f"""
        SELECT toString(_topic_id) AS topic_id, _partition AS partition, count() AS events,
            min(_offset) AS first_offset, max(_offset) AS last_offset
        FROM {source}
        GROUP BY _topic_id, _partition ORDER BY topic_id, partition
        LIMIT {query.bind(MAX_RANGES, "UInt32")}
        """,
    )
    return [Offsets(**row) for row in rows]
