"""GET /api/analytics/anomalies: what was odd about users and sessions, and what made it so."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from loopin_api.envelope import Moment, Success
from loopin_api.ids import answered_id
from loopin_api.openapi import COMMON, failures, success
from loopin_api.pages import Listed, Paged, listed
from loopin_api.services import Reader, Use
from loopin_api.time_filters import Times
from loopin_schemas.anomaly import Anomaly, AnomalyKind, OddFeature
from loopin_sinks.anomalies.stored import Wanted, anomalies, number_of_anomalies
from loopin_sinks.metric_values.scope import from_epoch_ms

router = APIRouter(tags=["users"])


class FeatureAnswer(BaseModel):
    """A number that made it odd."""

    name: str = Field(description="Its name; its unit is in the name, or it is a count.")
    value: float = Field(description="What it was, in its own unit.")
    usual: float | None = Field(
        description="Of rules the limit, of sessions what is usual, in the same unit; null for neither."
    )
    weight: float = Field(ge=0, le=1, description="Share of the oddness that is due to it, ratio 0 to 1.")


class AnomalyAnswer(BaseModel):
    """Something odd about a user."""

    user_id: int | str = Field(description="The user's distinct_id; digits are a number.")
    kind: AnomalyKind = Field(description="Name of the rule, or `odd_session`, which the model finds.")
    at: Moment = Field(description="Time of the event that raised it, ISO 8601 in UTC.")
    since: Moment = Field(description="When it began, ISO 8601 in UTC.")
    score: float = Field(
        description="What was judged, in the first feature's unit; of sessions the oddness, from 0 on."
    )
    threshold: float = Field(description="From which on it is odd, in the same unit.")
    features: list[FeatureAnswer] = Field(description="What made it odd, strongest first.")
    detector: str = Field(description="Version of the rules, or of the model.")
    event: str | None = Field(
        description="Name of the event that raised it; null for a silence, and where many did."
    )
    raw_partition: int = Field(description="Partition of the topic `events.raw` of that event, number.")
    raw_offset: int = Field(
        description="Its offset there, number; of a silence that of the user's newest event."
    )


_EXAMPLE: Final[dict[str, Any]] = {
    "user_id": 42,
    "kind": "impossible_travel",
    "at": "2026-01-15T10:12:30.000Z",
    "since": "2026-01-15T09:10:02.000Z",
    "score": 6284.6,
    "threshold": 1000.0,
    "features": [
        {"name": "speed_kmh", "value": 6284.6, "usual": 1000.0, "weight": 1.0},
        {"name": "distance_km", "value": 6645.0, "usual": None, "weight": 0.0},
        {"name": "minutes_between", "value": 62.5, "usual": None, "weight": 0.0},
    ],
    "detector": "rules 1",
    "event": "$pageview",
    "raw_partition": 0,
    "raw_offset": 81734,
}
_PAGE: Final = {"count": 1, "next": None, "previous": None, "results": [_EXAMPLE]}


@router.get(
    "/api/analytics/anomalies",
    summary="List anomalies of users",
    responses={**success("A page of anomalies.", _PAGE), **failures(404, *COMMON)},
)
async def get_anomalies(
    use: Use,
    caller: Reader,
    times: Times,
    page: Paged,
    user_id: Annotated[
        str | None,
        Query(min_length=1, max_length=2_000, description="Only those of this user, a distinct_id."),
    ] = None,
    kind: Annotated[AnomalyKind | None, Query(description="Only those of this kind.")] = None,
) -> Success[Listed[AnomalyAnswer]]:
    """What the stream found odd in the last 30 days, or in the time asked for, the newest first.

    A kind is raised of a user once a day at most. Needs the scope `read`.
    """
    span = times.span()
    wanted = Wanted(start=span.start, end=span.end, kind=kind, distinct_id=user_id)
    count = await number_of_anomalies(use.store, caller.project, wanted)
    found = await anomalies(use.store, caller.project, wanted, page.size, page.offset)
    return Success(data=listed(page, count, [_answer(each) for each in found]))


def _answer(of: Anomaly) -> AnomalyAnswer:
    return AnomalyAnswer(
        user_id=answered_id(of.distinct_id),
        kind=of.kind,
        at=from_epoch_ms(of.at),
        since=from_epoch_ms(of.since),
        score=of.score,
        threshold=of.threshold,
        features=[feature_answer(feature) for feature in of.features],
        detector=of.detector,
        event=of.event_name or None,
        raw_partition=of.raw_partition,
        raw_offset=of.raw_offset,
    )


def feature_answer(of: OddFeature) -> FeatureAnswer:
    """As the list and the lineage show it."""
    return FeatureAnswer(name=of.name, value=of.value, usual=of.usual, weight=of.weight)
