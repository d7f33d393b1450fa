"""The nodes of an insight's lineage, as they are answered."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, Field

from loopin_api.envelope import Moment
from loopin_api.queries import lineage as asked
from loopin_api.routers.anomalies import FeatureAnswer
from loopin_api.routers.insights import EXAMPLE, CauseAnswer

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
LINEAGE_EXAMPLE: Final = {
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
