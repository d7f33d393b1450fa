"""Every Kafka topic of the system, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loopin_schemas.alert import Alert
from loopin_schemas.anomaly import Anomaly
from loopin_schemas.config import ConfigRecord
from loopin_schemas.dead_letter import DeadLetter, Replayed
from loopin_schemas.event import EnrichedEvent, Event
from loopin_schemas.example import Example
from loopin_schemas.identity import LinkRequest, Person, PersonMerge
from loopin_schemas.insight import InsightRecord
from loopin_schemas.model import ModelRecord
from loopin_schemas.notification import Notification
from loopin_schemas.profile import Profile
from loopin_schemas.window import MetricWindow, WindowPartials

HOUR = 3_600_000
DAY = 24 * HOUR

Partitions = Literal["raw", "one"]
"""``raw``: as many as ``events.raw``, written to the same partition number; ``one``: a single one."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is to be created.

    Attributes:
        name: name without the installation's prefix.
        key: what the record key holds, in words ("project:distinct_id").
        value: the value's type, or None where it is a private format of one job.
        partitions: the partition rule.
        retention_ms: how long records are kept; None for a compacted topic.
        help: what it carries and who reads it.
        append_time: whether the broker's clock dates the records, not the client's.
        retention_bytes: most bytes kept in a partition, whatever their age.
        compression: what the broker stores the records as; None for what its writers send.
    """

    name: str
    key: str
    value: type | None
    partitions: Partitions
    retention_ms: int | None
    help: str
    append_time: bool = False
    retention_bytes: int | None = None
    compression: str | None = None

    @property
    def compacted(self) -> bool:
        """Whether only the newest record of each key is kept."""
        return self.retention_ms is None

    def config(self, replicas: int = 1) -> dict[str, str]:
        """Topic configuration for the broker, of a topic with so many replicas.

        Compacted topics and those of a bounded size roll segments every 15 min or 64 MB, or they would not
        shrink. From three replicas on two must have a record before it counts as written, or a lone one
        could acknowledge it and be lost; with two, that would stop all writing while one is away.
        """
        config = {"cleanup.policy": "compact" if self.compacted else "delete"}
        if self.retention_ms is not None:
            config["retention.ms"] = str(self.retention_ms)
        if self.retention_bytes is not None:
            config["retention.bytes"] = str(self.retention_bytes)
        if self.compacted or self.retention_bytes is not None:
            config |= {"segment.ms": "900000", "segment.bytes": str(64 << 20)}
        if self.compacted:
            config["min.cleanable.dirty.ratio"] = "0.1"
        if replicas >= 3:
            config["min.insync.replicas"] = "2"
        if self.compression is not None:
            config["compression.type"] = self.compression
        if self.append_time:
            config["message.timestamp.type"] = "LogAppendTime"
        return config


RAW = Topic(
    "events.raw", "project:distinct_id", Event, "raw", 7 * DAY,
    "what clients publish; append time is received_at", append_time=True,
)  # fmt: skip
ENRICHED = Topic(
    "events.enriched", "project:distinct_id", EnrichedEvent, "raw", 7 * DAY,
    "validated and enriched events, for every sink",
)  # fmt: skip
DLQ = Topic(
    "events.dlq", "topic:partition:offset", DeadLetter, "raw", 30 * DAY,
    "records that failed, with their bytes, for inspection and replay",
)  # fmt: skip
REPLAYED = Topic(
    "dlq.replayed", "topic_id:partition:offset", Replayed, "one", 31 * DAY,
    "dead letters that were replayed, a day longer than those are kept, so that each counts once",
)  # fmt: skip
PROFILES = Topic(
    "profiles", "project:distinct_id", Profile, "raw", None,
    "each user's newest profile; the enrich job reads it back to restore its state",
)  # fmt: skip
ENRICH_STATE = Topic(
    "enrich.state", "m, or w:project:grain:start", None, "raw", None,
    "the enrich job's marker (what it has absorbed, its counts and watermark) and its open windows",
)  # fmt: skip
WINDOWS = Topic(
    "windows", "raw partition", WindowPartials, "raw", 7 * DAY,
    "each raw partition's share of the open windows, once a second, with its watermark; for the merge",
    retention_bytes=1 << 30,
)  # fmt: skip
MERGE_STATE = Topic(
    "merge.state", "m, p, or w:project:grain:start", None, "raw", None,
    "the merge job's marker, the watermarks it knows, the windows it adds up, the alerts it has raised",
)  # fmt: skip
METRICS = Topic(
    "metrics", "project:metric", MetricWindow, "raw", 7 * DAY,
    "windows over all partitions: at most once a second while open, and once more when closed",
)  # fmt: skip
ALERTS = Topic(
    "alerts", "project:rule", Alert, "one", 90 * DAY,
    "what has happened to alerts, for notifiers; not compressed, because clients of some languages cannot "
    "read what we compress by",
    append_time=True,
    compression="uncompressed",
)  # fmt: skip
NOTIFICATIONS = Topic(
    "notifications", "channel:alert", Notification, "one", 91 * DAY,
    "which channel was told of which alert, a day longer than those are kept, so that it is told once",
)  # fmt: skip
WATCH_STATE = Topic(
    "watch.state", "p, a:project:rule:value, or h:project:rule:value", None, "one", None,
    "what the watcher knows of the alerts that it judges by the store, and the past of what it judges",
)  # fmt: skip
INSIGHTS = Topic(
    "insights", "insight", InsightRecord, "one", 30 * DAY,
    "insights as they are found, changed or withdrawn, for the live feed; kept for longer than any is of "
    "interest, because who tells of them reads what was told",
)  # fmt: skip
SEEN = Topic(
    "seen", "(none)", None, "raw", 8 * DAY,
    "hashes of the uuids of each committed batch, to drop clients' duplicates; kept for longer than the raw "
    "events, because a backlog of those is judged by their own time",
    retention_bytes=64 << 20,
)  # fmt: skip
IDENTITY_LINKS = Topic(
    "identity.links", "project:distinct_id", LinkRequest, "one", 30 * DAY,
    "requests to make distinct_ids one person, or to take that back; for the identity job",
)  # fmt: skip
IDENTITY_STATE = Topic(
    "identity.state", "m", None, "one", None,
    "the identity job's marker: which requests it has decided",
)  # fmt: skip
PERSONS = Topic(
    "persons", "project:distinct_id", Person, "one", None,
    "each person of more than one distinct_id or with an identified one; the identity job restores from it",
)  # fmt: skip
PERSON_MERGES = Topic(
    "person.merges", "project:merge", PersonMerge, "one", 1095 * DAY,
    "the journal of merges, refusals and unmerges, for the sink",
)  # fmt: skip

EXAMPLES = Topic(
    "examples", "project:target", Example, "one", 90 * DAY,
    "what came of each prediction, for the models to learn from",
)  # fmt: skip

TRAIN_STATE = Topic(
    "train.state", "m, or e:project:target:part", None, "one", None,
    "the trainer's marker, and the examples that its models are put together from at start",
)  # fmt: skip
MODELS = Topic(
    "models", "project:target, or project:target:version", ModelRecord, "one", None,
    "versions of models, numbers only, how good they are and which one answers; workers score by them",
)  # fmt: skip

ANOMALIES = Topic(
    "anomalies", "project:distinct_id", Anomaly, "raw", 30 * DAY,
    "what is odd about users and sessions, by named rules and by a model of sessions; for the sink",
)  # fmt: skip

CONFIG = Topic(
    "config", "kind:id", ConfigRecord, "one", None,
    "what people configure (API keys), newest by item; who needs it reads it whole and follows it",
)  # fmt: skip

TOPICS: tuple[Topic, ...] = (
    RAW,
    ENRICHED,
    DLQ,
    REPLAYED,
    PROFILES,
    ENRICH_STATE,
    SEEN,
    WINDOWS,
    MERGE_STATE,
    METRICS,
    ALERTS,
    NOTIFICATIONS,
    WATCH_STATE,
    INSIGHTS,
    EXAMPLES,
    TRAIN_STATE,
    MODELS,
    ANOMALIES,
    IDENTITY_LINKS,
    IDENTITY_STATE,
    PERSONS,
    PERSON_MERGES,
    CONFIG,
)


def event_key(project: str, distinct_id: str) -> bytes:
    """The record key of a user's events, which keeps them in order in one partition."""
    return f"{project}:{distinct_id}".encode()
