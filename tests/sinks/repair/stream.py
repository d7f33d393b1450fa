"""The stream without a broker: raw records through the enrichment and the merge, into its windows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from loopin_schemas.alert import Alert
from loopin_schemas.codec import decode
from loopin_schemas.event import EnrichedEvent
from loopin_schemas.window import MetricWindow
from loopin_streams.enrich.job import EnrichJob, EnrichOptions
from loopin_streams.enrich.steps.partition import partition_of
from loopin_streams.kafka.job import Absorber, Output
from loopin_streams.kafka.marker import Marker
from loopin_streams.merge.invalid_ratio import InvalidRatioLimits
from loopin_streams.merge.job import MergeJob
from loopin_streams.projects.project import Projects
from tests.sinks.repair.plain import Happened, Numbers, Series
from tests.sinks.repair.stored import TOPIC_ID

PARTITIONS = 2
OPERATIONAL = ("records_received", "records_rejected")


@dataclass
class RawRecord:
    """A record as a job reads it."""

    value: bytes | None
    offset: int
    timestamp: int
    key: bytes | None = None


class Stream:
    """Two raw partitions and their merge; each batch is published at once.

    ``enriched`` holds the events that passed, ``windows`` the newest row of each series about events,
    ``alerts`` what was said of alerts.
    """

    def __init__(self, projects: Projects | None = None) -> None:
        self.enriched: list[EnrichedEvent] = []
        self.windows: dict[Series, Numbers] = {}
        self.alerts: list[Alert] = []
        self._seconds = 0.0
        self._offset = 0
        enrichment = EnrichJob(EnrichOptions("", PARTITIONS), projects, clock=self._clock)
        merge = MergeJob(PARTITIONS, InvalidRatioLimits(), clock=self._clock, wall_clock=self._clock)
        self._enriching = [_opened(enrichment.open(number, TOPIC_ID)) for number in range(PARTITIONS)]
        self._merging = [_opened(merge.open(number, TOPIC_ID)) for number in range(PARTITIONS)]

    def send(self, bodies: Iterable[tuple[bytes, bytes]], received_ms: int) -> None:
        """A batch of (key, body) for the partitions that their keys belong in."""
        shares: list[list[RawRecord]] = [[] for _ in range(PARTITIONS)]
        for key, body in bodies:
            self._offset += 1
            record = RawRecord(body, self._offset, received_ms, key)
            shares[partition_of(key, PARTITIONS)].append(record)
        for enriching, share in zip(self._enriching, shares, strict=True):
            if share:
                self._take(enriching.absorb(share, self._offset + 1))

    def quiet(self, until_ms: int) -> None:
        """Nothing more comes until then."""
        for enriching in self._enriching:
            output = enriching.idle(self._offset + 1, until_ms)
            if output is not None:
                self._take(output)

    def _clock(self) -> float:
        self._seconds += 10.0
        return self._seconds

    def _take(self, output: Output) -> None:
        self.enriched += [
            decode(body or b"", EnrichedEvent) for _, body in output.messages.get("events.enriched", [])
        ]
        for (topic, number), messages in output.routed.items():
            if topic != "windows":  # What was odd of users and sessions.
                continue
            partials = [RawRecord(value, at, 0) for at, (_, value) in enumerate(messages)]
            self._publish(self._merging[number].absorb(partials, 0))

    def _publish(self, output: Output) -> None:
        self.alerts += [decode(body or b"", Alert) for _, body in output.routed.get(("alerts", 0), [])]
        for _, body in output.messages.get("metrics", []):
            row = decode(body or b"", MetricWindow)
            if row.metric not in OPERATIONAL:
                series = Series(row.project, row.metric, row.dimension, row.value, row.grain, row.start)
                self.windows[series] = Numbers(row.count, row.sum, row.min, row.max)


def raw(event: Happened) -> tuple[bytes, bytes]:
    """Key and body of the event as a client publishes it."""
    fields = {
        "project": event.project,
        "event": event.event,
        "distinct_id": event.distinct_id,
        "timestamp": event.at,
    }
    # The properties as they are written: no encoder may straighten them.
    body = f'{json.dumps(fields)[:-1]}, "properties": {event.properties}}}'
    return f"{event.project}:{event.distinct_id}".encode(), body.encode()


def _opened(absorber: Absorber) -> Absorber:
    absorber.opened(Marker(topic_id=TOPIC_ID, position=0), {})
    return absorber
