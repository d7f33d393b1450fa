"""The system's consumers, as the broker knows them: what each reads, and by which group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from loopin_schemas.topics import (
    ALERTS,
    ANOMALIES,
    CONFIG,
    ENRICHED,
    EXAMPLES,
    IDENTITY_LINKS,
    METRICS,
    PERSON_MERGES,
    PROFILES,
    RAW,
    WINDOWS,
    Topic,
)
from loopin_sinks import metrics
from loopin_sinks.notify import notifier
from loopin_streams.kafka.lag import Consumption, LagLimits, LagWatch
from loopin_streams.kafka.logs import Logs
from loopin_streams.kafka.settings import KafkaSettings


class Group(NamedTuple):
    """A consumer, its group (without the installation's prefix), its topic, and the role it belongs to."""

    consumer: str
    group: str
    topic: Topic
    role: str


ENRICH: Final = Group("enrich", "enrich", RAW, "stream")
MERGE: Final = Group("merge", "merge", WINDOWS, "stream")
IDENTITY: Final = Group("identity", "identity", IDENTITY_LINKS, "stream")
TRAIN: Final = Group("train", "train", EXAMPLES, "trainer")
EVENTS: Final = Group(metrics.EVENTS, "clickhouse", ENRICHED, "sink")
METRIC_WINDOWS: Final = Group(metrics.WINDOWS, "clickhouse-metrics", METRICS, "sink")
PERSONS: Final = Group(metrics.PERSONS, "clickhouse-persons", PERSON_MERGES, "sink")
USERS: Final = Group(metrics.USERS, "clickhouse-profiles", PROFILES, "sink")
HISTORY: Final = Group(metrics.HISTORY, "clickhouse-config", CONFIG, "sink")
ALERT_RECORDS: Final = Group(metrics.ALERT_RECORDS, "clickhouse-alerts", ALERTS, "sink")
ODD: Final = Group(metrics.ODD, "clickhouse-anomalies", ANOMALIES, "sink")

NOTIFY: Final = Group("notify", notifier.GROUP, ALERTS, "notify")
"""Not among ``GROUPS``: where nobody is to be told of alerts, that all of them wait is no lag."""

GROUPS: Final = (
    *(ENRICH, MERGE, IDENTITY, TRAIN),
    *(EVENTS, METRIC_WINDOWS, PERSONS, USERS, HISTORY, ALERT_RECORDS, ODD),
)


def as_committed(group: Group, settings: KafkaSettings, logs: Logs) -> Consumption:
    """A consumer by the offsets that its group has committed, which may be a second old.

    Where nothing is committed, all that the topic keeps waits.
    """
    topic = settings.topic(group.topic.name)
    every = range(0)

    async def positions() -> Mapping[int, int]:
        nonlocal every
        # Asked once: a topic whose partitions change is refused by all roles.
        every = every or range(await logs.partitions(topic))
        committed = await logs.committed(settings.topic(group.group), topic)
        starts = await logs.starts((topic, number) for number in every if number not in committed)
        return {number: committed.get(number, starts.get((topic, number), 0)) for number in every}

    received_ms = metrics.received_ms if group == EVENTS else None
    return Consumption(group.consumer, topic, positions, received_ms)


def watch_from_broker(settings: KafkaSettings, logs: Logs) -> LagWatch:
    """A watch of all consumers by what their groups have committed."""
    groups = [as_committed(group, settings, logs) for group in GROUPS]
    return LagWatch(logs, groups, LagLimits.of(settings))
