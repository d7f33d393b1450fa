"""GET /api/analytics/insights/{id}/lineage: what an insight rests on, down to the events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from loopin_api.envelope import Moment, Success, iso_ms
from loopin_api.openapi import COMMON, failures, success
from loopin_api.queries import lineage as asked
from loopin_api.queries.lineage import Behind, Lineage, Offsets, OneEvent
from loopin_api.routers.anomalies import FeatureAnswer, feature_answer
from loopin_api.routers.insights import EXAMPLE, CauseAnswer, InsightId, known_insight
from loopin_api.services import Reader, Use
from loopin_schemas.insight import Insight
from loopin_schemas.metrics import Metric
from loopin_sinks.insights.findings import shower
from loopin_sinks.insights.predictions import HEURISTIC
from loopin_sinks.metric_history.stored import Kept
from loopin_sinks.metric_values.scope import Scope, from_epoch_ms, scope_of
from loopin_sinks.personas.naming import label
from loopin_sinks.personas.stored import StoredRun
from loopin_streams.learning.targets import TARGETS

router = APIRouter(tags=["insights"])

_TITLE: Final = "One line for a person."
_UNIT: Final = "in the metric's unit (ratios 0 to 1; of personas, the distance from the middle)"


class OffsetsNode(BaseModel):
    """Records of one partition of the topic `events.enriched`."""

    kind: Literal["offsets"] = Field("offsets", description="What it is.")
    id: str = Field(description="Topic id, partition, first and last offset.")
    title: str = Field(description=_TITLE)
    topic_id: str = Field(description="Kafka's id of the topic.")
    partition: int = Field(description="Number of the partition.")
    first_offset: int = Field(description="Least offset of such an event, number.")
    last_offset: int = Field(description="Greatest offset of such an event; others lie between, number.")
    events: int = Field(description="Such events in the partition, count.")


class EventsNode(BaseModel):
    """The stored events behind a value."""

    kind: Literal["events"] = Field("events", description="What it is.")
    id: str = Field(description="Start and end of their time.")
    title: str = Field(description=_TITLE)
    names: list[str] = Field(
        description="Names of the events that the metric is made of; empty for all but those of the system "
        "group, of personas for all."
    )
    start: Moment = Field(description="From when on they are looked at, ISO 8601 in UTC.")
    end: Moment = Field(description="Until when, excluded, ISO 8601 in UTC.")
    events: int = Field(
        description="How many the store has, those of bots and of your own people apart, count; fewer than "
        "the value was made of, where some are not kept any more."
    )
    made_of: list[OffsetsNode] = Field(
        description=f"Where they came from, by partition; {asked.MAX_RANGES} at most."
    )


class EventNode(BaseModel):
    """One of the newest events before a score."""

    kind: Literal["event"] = Field("event", description="What it is.")
    id: str = Field(description="The event's uuid.")
    title: str = Field(description=_TITLE)
    event: str = Field(description="Its name.")
    timestamp: Moment = Field(description="When it happened, ISO 8601 in UTC.")
    topic_id: str = Field(description="Kafka's id of the topic `events.enriched`.")
    partition: int = Field(description="Number of the partition.")
    offset: int = Field(description="Its offset there, number.")


class KeptValueNode(BaseModel):
    """What a metric came to in another period."""

    kind: Literal["kept_value"] = Field("kept_value", description="What it is.")
    id: str = Field(description="Metric, grain and start of the period.")
    title: str = Field(description=_TITLE)
    start: Moment = Field(description="Start of the period, ISO 8601 in UTC.")
    value: float | None = Field(description=f"What is kept, {_UNIT}; null where nothing is any more.")
    calculated_at: Moment | None = Field(
        description="When that was calculated, ISO 8601 in UTC; null where nothing is kept."
    )


class ValueNode(BaseModel):
    """The value that the insight is about."""

    kind: Literal["value"] = Field("value", description="What it is.")
    id: str = Field(description="Metric, grain and start of the period.")
    title: str = Field(description=_TITLE)
    metric: str = Field(
        description="Name of the metric; `persona_distance`: how far a user is from their persona; "
        "`churn_score`, `conversion_score`, `trending_score`."
    )
    grain: str = Field(description="Length of the period.")
    start: Moment = Field(
        description="Start of the period, of personas, scores and content of the time that is looked at, "
        "ISO 8601 in UTC."
    )
    end: Moment = Field(description="Its end, excluded, ISO 8601 in UTC.")
    value: float = Field(description=f"When the insight was found, {_UNIT}.")
    calculated_at: Moment = Field(description="When that was calculated, ISO 8601 in UTC.")
    value_now: float | None = Field(
        description=f"What is kept of the period by now, {_UNIT}; null where nothing is."
    )
    calculated_now_at: Moment | None = Field(
        description="When that was calculated, ISO 8601 in UTC; null where nothing is kept."
    )
    made_of: list[EventsNode | EventNode | KeptValueNode] = Field(
        description="The periods in a row before it that were not as expected, then the events behind them "
        f"all; of a score also the user's newest events before it, {asked.NEWEST} at most, newest first."
    )


class ExpectedNode(BaseModel):
    """What was expected: by former periods (`usual`), the same score a day before, or a target."""

    kind: Literal["usual", "target", "day_before"] = Field(description="What tells it.")
    id: str = Field(description="Metric, and what tells it.")
    title: str = Field(description=_TITLE)
    expected: float = Field(description=f"What was expected, {_UNIT}.")
    low: float | None = Field(description=f"From which on nothing is said, {_UNIT}; null for none.")
    high: float | None = Field(description=f"Up to which nothing is said, {_UNIT}; null for none.")
    made_of: list[KeptValueNode] = Field(description="The periods that tell what is usual, in order.")


class ForecastNode(BaseModel):
    """The forecast that was made before."""

    kind: Literal["forecast"] = Field("forecast", description="What it is.")
    id: str = Field(description="Metric, and when it was made.")
    title: str = Field(description=_TITLE)
    made_at: Moment = Field(description="When it was made, ISO 8601 in UTC.")
    model_version: str = Field(description="Version of the models.")
    expected: float = Field(description=f"What it said of the period, {_UNIT}.")
    low_80: float | None = Field(description=f"Low end of its 80 % interval, {_UNIT}; null where not kept.")
    high_80: float | None = Field(description=f"High end of its 80 % interval, {_UNIT}; null where not kept.")
    low_95: float | None = Field(description=f"Low end of its 95 % interval, {_UNIT}.")
    high_95: float | None = Field(description=f"High end of its 95 % interval, {_UNIT}.")
    kept: bool = Field(
        description="Whether the store still has it; if not, this is what the insight noted of it."
    )


class PersonaRunNode(BaseModel):
    """The run that found the personas."""

    kind: Literal["persona_run"] = Field("persona_run", description="What it is.")
    id: str = Field(description="Version of the model.")
    title: str = Field(description=_TITLE)
    at: Moment = Field(description="When it was made, ISO 8601 in UTC.")
    model_version: str = Field(description="Version of the model: a digest of what it is made of.")
    k: int | None = Field(description="Number of personas, count; null where the run is not kept any more.")
    fitted_on: int | None = Field(
        description="Users who shaped them, count; null where the run is not kept any more."
    )
    personas: list[str] = Field(description="Their names; empty where the run is not kept any more.")


class ModelNode(BaseModel):
    """The model that a score is of, as far as it is known: models themselves are on the topic `models`."""

    kind: Literal["model"] = Field("model", description="What it is.")
    id: str = Field(description="What is predicted and the version; `heuristic` in place of a model.")
    title: str = Field(description=_TITLE)
    target: str = Field(description="What is predicted.")
    version: int | None = Field(description="Version of the model, number; null for the heuristic.")
    method: Literal["model", "heuristic"] = Field(description="Whether a model or a heuristic answered.")
    meaning: str = Field(description="What the probability is of, in words.")
    horizon_days: int = Field(description="How many days ahead it looks, number.")
    threshold: float = Field(description="From which score on it is told of, ratio 0 to 1.")
    reasons: list[CauseAnswer] = Field(description="The strongest reasons of the score, strongest first.")


class DetectorNode(BaseModel):
    """The rules or the model that found an anomaly."""

    kind: Literal["detector"] = Field("detector", description="What it is.")
    id: str = Field(description="Version of the rules, or of the model of sessions.")
    title: str = Field(description=_TITLE)
    threshold: float = Field(description="From which on it says so, in the unit of the anomaly's score.")


class AnomalyNode(BaseModel):
    """What was odd about a user."""

    kind: Literal["anomaly"] = Field("anomaly", description="What it is.")
    id: str = Field(description="Kind, user and time of the anomaly.")
    title: str = Field(description=_TITLE)
    at: Moment = Field(description="Time of the event that raised it, ISO 8601 in UTC.")
    since: Moment = Field(description="When it began, ISO 8601 in UTC.")
    score: float = Field(
        description="What was judged, in the first feature's unit; of sessions the oddness, from 0 on."
    )
    features: list[FeatureAnswer] = Field(
        description="What made it odd, strongest first; empty where the anomaly is not kept any more."
    )
    raw_partition: int | None = Field(
        description="Partition of the topic `events.raw` of that event, number; null where it is not kept."
    )
    raw_offset: int | None = Field(
        description="Its offset there, number; null where the anomaly is not kept."
    )
    made_of: list[DetectorNode | EventsNode] = Field(
        description="What found it, and the event that raised it, if it is stored."
    )


class InsightNode(BaseModel):
    """An insight, and what it is made of."""

    kind: Literal["insight"] = Field("insight", description="What it is.")
    id: str = Field(description="The insight's.")
    title: str = Field(description=_TITLE)
    created_at: Moment = Field(description="When it was found first, ISO 8601 in UTC.")
    made_of: list[ValueNode | ExpectedNode | ForecastNode | PersonaRunNode | ModelNode | AnomalyNode] = Field(
        description="The value it is about, then what tells what was expected; or the anomaly of a user."
    )


_OFFSETS: Final = {
    "kind": "offsets",
    "id": "0b54b3f8-5bd5-4b07-9f0f-5d1d6c7a1f11/0/1204-2119",
    "title": "812 events in partition 0, offsets 1204 to 2119",
    "topic_id": "0b54b3f8-5bd5-4b07-9f0f-5d1d6c7a1f11",
    "partition": 0,
    "first_offset": 1204,
    "last_offset": 2119,
    "events": 812,
}
_EVENTS: Final = {
    "kind": "events",
    "id": "2026-01-14T00:00:00.000Z/2026-01-15T00:00:00.000Z",
    "title": "812 events",
    "names": [],
    "start": "2026-01-14T00:00:00.000Z",
    "end": "2026-01-15T00:00:00.000Z",
    "events": 812,
    "made_of": [_OFFSETS],
}
_KEPT: Final = {
    "kind": "kept_value",
    "id": "dau/day/2026-01-07T00:00:00.000Z",
    "title": "201 on Wednesday 7 January",
    "start": "2026-01-07T00:00:00.000Z",
    "value": 201.0,
    "calculated_at": "2026-01-08T00:05:00.000Z",
}
_EXAMPLE: Final = {
    "kind": "insight",
    "id": EXAMPLE["id"],
    "title": EXAMPLE["title"],
    "created_at": EXAMPLE["created_at"],
    "made_of": [
        {
            "kind": "value",
            "id": "dau/day/2026-01-14T00:00:00.000Z",
            "title": "100 on Wednesday 14 January",
            "metric": "dau",
            "grain": "day",
            "start": "2026-01-14T00:00:00.000Z",
            "end": "2026-01-15T00:00:00.000Z",
            "value": 100.0,
            "calculated_at": "2026-01-15T00:05:00.000Z",
            "value_now": 100.0,
            "calculated_now_at": "2026-01-15T00:05:00.000Z",
            "made_of": [_EVENTS],
        },
        {
            "kind": "usual",
            "id": "dau/usual",
            "title": "201 is usual, 151 to 251 within chance",
            "expected": 201.0,
            "low": 151.0,
            "high": 251.0,
            "made_of": [_KEPT],
        },
    ],
}


@router.get(
    "/api/analytics/insights/{id:path}/lineage",
    summary="What an insight rests on",
    responses={**success("The tree.", _EXAMPLE), **failures(404, *COMMON)},
)
async def get_lineage(use: Use, caller: Reader, id: InsightId) -> Success[InsightNode]:
    """From an insight to its evidence, as a tree: each node is made of those in its `made_of`.

    The value and its period, and what is kept of it by now; the values of the periods compared; the forecast
    that was made before, the run that found the personas, or the model that a score is of, with its version;
    and the events of the period, as ranges of offsets by partition. Of an anomaly of a user what made it odd,
    the version of the rules or the model, and the event that raised it. Metrics that look back further than
    their period, as `mau` does, rest on earlier events, too. Needs the scope `read`.
    """
    found = (await known_insight(use, caller.project, id)).insight
    metric = next((each for each in use.metrics.all(caller.project) if each.name == found.target_id), None)
    if found.target_type != "metric":
        metric = None
    scope = scope_of(use.projects, caller.project, use.clock())
    known = await asked.lineage(use.store, scope, found, metric)
    return Success(data=_Tree(scope, found, metric).of(known))


class _Tree:
    """Builds the nodes of one insight's lineage."""

    def __init__(self, scope: Scope, insight: Insight, metric: Metric | None) -> None:
        self._scope = scope
        self._insight = insight
        self._of = insight.evidence
        self._show: Callable[[float], str] = "{:,.2f}".format
        self._score = insight.insight_type == "prediction"
        if metric is not None:
            self._show = shower(metric.unit, scope.currency)

    def of(self, known: Lineage) -> InsightNode:
        """The root."""
        return InsightNode(
            id=self._insight.id,
            title=self._insight.title,
            created_at=from_epoch_ms(self._insight.created_at),
            made_of=[self._anomaly(known)]
            if self._insight.insight_type == "anomaly" and self._insight.target_type == "user"
            else [self._value(known), self._expected(known)],
        )

    def _anomaly(self, known: Lineage) -> AnomalyNode:
        of, one = self._of, known.anomaly
        detector = of.model_version or ""
        made_of: list[DetectorNode | EventsNode] = [
            DetectorNode(id=detector, title=f"{of.metric}, as {detector} judges it", threshold=of.expected)
        ]
        if known.events is not None:
            made_of.append(_events(known.events))
        return AnomalyNode(
            id=f"{of.metric}/{self._insight.target_id}/{of.start}",
            title=self._insight.description,
            at=from_epoch_ms(of.start),
            since=known.start,
            score=of.value,
            features=[] if one is None else [feature_answer(feature) for feature in one.features],
            raw_partition=None if one is None else one.raw_partition,
            raw_offset=None if one is None else one.raw_offset,
            made_of=made_of,
        )

    def _value(self, known: Lineage) -> ValueNode:
        of, compared = self._of, known.compared or {}
        before = {at: kept for at, kept in compared.items() if of.since is not None and at >= of.since}
        made_of: list[EventsNode | EventNode | KeptValueNode] = [*self._kept(before)]
        if known.events is not None:
            made_of.append(_events(known.events))
        made_of += [self._event(each) for each in known.newest]
        now, by_now = known.now, known.score
        return ValueNode(
            id=self._named(from_epoch_ms(of.start)),
            title=f"{self._show(of.value)} {self._on(from_epoch_ms(of.start))}",
            metric=of.metric,
            grain=of.grain,
            start=known.start,
            end=known.end,
            value=of.value,
            calculated_at=from_epoch_ms(of.calculated_at),
            value_now=now.value if now is not None else None if by_now is None else by_now.chance,
            calculated_now_at=now.calculated_at if now is not None else None if by_now is None else by_now.at,
            made_of=made_of,
        )

    def _expected(self, known: Lineage) -> ExpectedNode | ForecastNode | PersonaRunNode | ModelNode:
        of = self._of
        if self._score:
            return self._model()
        if self._insight.target_type == "content":
            return self._told("day_before", f"{self._show(of.expected)} a day before", {})
        if of.forecast_made_at is not None:
            return self._forecast(known, from_epoch_ms(of.forecast_made_at))
        if self._insight.target_type == "user":
            return self._run(known.run)
        if of.low is None or of.high is None:
            title = f"{self._show(of.expected)} is the target"
            return self._told("target", title, {})
        chance = f"{self._show(of.low)} to {self._show(of.high)} within chance"
        usual = {at: kept for at, kept in (known.compared or {}).items() if at in of.compared}
        return self._told("usual", f"{self._show(of.expected)} is usual, {chance}", usual)

    def _told(
        self, kind: Literal["usual", "target", "day_before"], title: str, compared: Mapping[int, Kept | None]
    ) -> ExpectedNode:
        of = self._of
        return ExpectedNode(
            kind=kind,
            id=f"{of.metric}/{kind}",
            title=title,
            expected=of.expected,
            low=of.low,
            high=of.high,
            made_of=self._kept(compared),
        )

    def _forecast(self, known: Lineage, made_at: datetime) -> ForecastNode:
        of, day = self._of, None if known.forecast is None else known.forecast.day
        low, high = of.low, of.high
        between = "" if low is None or high is None else f", {self._show(low)} to {self._show(high)}"
        return ForecastNode(
            id=f"{of.metric}/{iso_ms(made_at)}",
            title=f"{self._show(of.expected)}{between} was forecast on {self._date(made_at)}",
            made_at=made_at,
            model_version=of.model_version or "",
            expected=of.expected,
            low_80=None if day is None else day.low_80,
            high_80=None if day is None else day.high_80,
            low_95=low,
            high_95=high,
            kept=day is not None,
        )

    def _run(self, run: StoredRun | None) -> PersonaRunNode:
        of = self._of
        at, names = from_epoch_ms(of.calculated_at), [] if run is None else [c.persona for c in run.clusters]
        among = f"{len(names)} personas: {', '.join(map(label, names))}" if names else "The personas"
        return PersonaRunNode(
            id=of.model_version or "",
            title=f"{among}, as found on {self._date(at)}",
            at=at,
            model_version=of.model_version or "",
            k=len(names) or None,
            fitted_on=None if run is None else run.fitted_on,
            personas=names,
        )

    def _model(self) -> ModelNode:
        of = self._of
        target = next(each for each in TARGETS if f"{each.name}_score" == of.metric)
        named = of.model_version or ""
        version = int(named.rpartition("/")[2]) if named != HEURISTIC else None
        told = "The rule of thumb" if version is None else f"Version {version} of the model"
        return ModelNode(
            id=named,
            title=f"{told} of {target.name}: whether {target.help}",
            target=target.name,
            version=version,
            method="heuristic" if version is None else "model",
            meaning=target.help,
            horizon_days=target.horizon_days,
            threshold=of.expected,
            reasons=[CauseAnswer.model_validate(each, from_attributes=True) for each in of.reasons],
        )

    def _event(self, of: OneEvent) -> EventNode:
        return EventNode(
            id=of.uuid,
            title=f"{of.event} {self._on(of.timestamp)}, partition {of.partition}, offset {of.offset}",
            event=of.event,
            timestamp=of.timestamp,
            topic_id=of.topic_id,
            partition=of.partition,
            offset=of.offset,
        )

    def _kept(self, compared: Mapping[int, Kept | None]) -> list[KeptValueNode]:
        return [self._kept_value(from_epoch_ms(at), kept) for at, kept in compared.items()]

    def _kept_value(self, start: datetime, kept: Kept | None) -> KeptValueNode:
        value = None if kept is None else kept.value
        shown = "No value is kept" if value is None else self._show(value)
        return KeptValueNode(
            id=self._named(start),
            title=f"{shown} {self._on(start)}",
            start=start,
            value=value,
            calculated_at=None if kept is None else kept.calculated_at,
        )

    def _named(self, start: datetime) -> str:
        return f"{self._of.metric}/{self._of.grain}/{iso_ms(start)}"

    def _on(self, start: datetime) -> str:
        if self._of.grain in ("hour", "moment"):
            return f"at {start.astimezone(self._scope.zone):%H:%M} on {self._date(start)}"
        return f"{'in the week from' if self._of.grain == 'week' else 'on'} {self._date(start)}"

    def _date(self, at: datetime) -> str:
        return f"{at.astimezone(self._scope.zone):%A %-d %B}"


def _events(of: Behind) -> EventsNode:
    return EventsNode(
        id=f"{iso_ms(of.start)}/{iso_ms(of.end)}",
        title=_counted(of.events),
        names=list(of.names),
        start=of.start,
        end=of.end,
        events=of.events,
        made_of=[_offsets(each) for each in of.ranges],
    )


def _offsets(of: Offsets) -> OffsetsNode:
    where = f"offsets {of.first_offset} to {of.last_offset}"
    return OffsetsNode(
        id=f"{of.topic_id}/{of.partition}/{of.first_offset}-{of.last_offset}",
        title=f"{_counted(of.events)} in partition {of.partition}, {where}",
        topic_id=of.topic_id,
        partition=of.partition,
        first_offset=of.first_offset,
        last_offset=of.last_offset,
        events=of.events,
    )


def _counted(events: int) -> str:
    return f"{events:,} {'event' if events == 1 else 'events'}"
