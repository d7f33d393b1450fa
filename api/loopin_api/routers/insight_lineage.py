"""GET /api/analytics/insights/{id}/lineage: what an insight rests on, down to the events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal

from fastapi import APIRouter

from loopin_api.envelope import Success, iso_ms
from loopin_api.openapi import COMMON, failures, success
from loopin_api.queries import lineage as asked
from loopin_api.queries.lineage import Behind, Lineage, Offsets, OneEvent
from loopin_api.routers.anomalies import feature_answer
from loopin_api.routers.insights import CauseAnswer, InsightId, known_insight
from loopin_api.routers.lineage_nodes import (
    LINEAGE_EXAMPLE,
    AnomalyNode,
    DetectorNode,
    EventNode,
    EventsNode,
    ExpectedNode,
    ForecastNode,
    InsightNode,
    KeptValueNode,
    ModelNode,
    OffsetsNode,
    PersonaRunNode,
    ValueNode,
)
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


@router.get(
    "/api/analytics/insights/{id:path}/lineage",
    summary="What an insight rests on",
    responses={**success("The tree.", LINEAGE_EXAMPLE), **failures(404, *COMMON)},
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
