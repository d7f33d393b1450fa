"""What an enrichment has committed, as its topics would hold it, so that another can be restored from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from loopin_streams.enrich.absorber import EnrichAbsorber
from loopin_streams.enrich.job import EnrichJob, EnrichOptions
from loopin_streams.kafka.job import Message, Output
from loopin_streams.kafka.marker import Counts, Marker
from tests.streams import plain_state
from tests.streams.enrich.drafts import TOPIC_ID, RawRecord
from tests.streams.plain_state import Arrived, Happened, Shares


@dataclass
class Clock:
    """A clock that stands still unless it is moved."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def numbered(number: int) -> str:
    return f"01a2b3c4-0000-7000-8000-{number:012d}"


def raw(offset: int, event: Happened) -> RawRecord:
    """The event as a client publishes it, with a uuid of its own."""
    body = {
        "project": event.project,
        "event": event.event,
        "distinct_id": event.user,
        "uuid": numbered(offset),
        "timestamp": event.at,
        "properties": event.properties,
    }
    return RawRecord(json.dumps(body).encode(), offset, event.received)


@dataclass
class Ledger:
    """The topics of one raw partition, each with its records in order."""

    partition: int = 0
    partitions: int = 1
    real_time: bool = True
    sampling_rate: float = 1.0
    clock: Clock = field(default_factory=Clock)
    marker: Marker = field(default_factory=lambda: Marker(topic_id=TOPIC_ID, position=0))
    topics: dict[str, list[Message]] = field(default_factory=dict)
    routed: dict[tuple[str, int], list[Message]] = field(default_factory=dict)

    def open(self) -> EnrichAbsorber:
        """A new enrichment, restored from what is here."""
        options = EnrichOptions(
            "loopin.", self.partitions, real_time=self.real_time, sampling_rate=self.sampling_rate
        )
        absorber = EnrichJob(options, clock=self.clock).open(self.partition, TOPIC_ID)
        for topic in ("seen", "profiles"):
            absorber.restore(
                topic, [RawRecord(value, 0, 0, key) for key, value in self.topics.get(topic, [])]
            )
        absorber.opened(self.marker, self.newest("enrich.state"))
        return absorber

    def absorb(self, absorber: EnrichAbsorber, records: Sequence[RawRecord]) -> Output:
        """Absorb and commit a batch."""
        position = records[-1].offset + 1 if records else self.marker.position
        output = absorber.absorb(records, position)
        self.commit(output, position)
        return output

    def idle(self, absorber: EnrichAbsorber, caught_up_ms: int | None = None) -> Output | None:
        """Let it be idle, and commit what it says."""
        output = absorber.idle(self.marker.position, caught_up_ms)
        if output is not None:
            self.commit(output, self.marker.position)
        return output

    def publish(self, absorber: EnrichAbsorber) -> None:
        """Let a second pass, so that all changed windows are published."""
        self.clock.now += 1
        self.idle(absorber)

    def commit(self, output: Output, position: int) -> None:
        for topic, messages in output.messages.items():
            self.topics.setdefault(topic, []).extend(messages)
        for place, messages in output.routed.items():
            self.routed.setdefault(place, []).extend(messages)
        self.marker = Marker(
            topic_id=TOPIC_ID,
            position=position,
            watermark=self.marker.watermark if output.watermark is None else output.watermark,
            counts=self.marker.counts.plus(output.counts),
            held=self.marker.held if output.held is None else output.held,
        )

    @property
    def counts(self) -> Counts:
        return self.marker.counts

    def newest(self, topic: str) -> dict[bytes, bytes]:
        """A compacted topic as it would be when fully compacted."""
        found: dict[bytes, bytes] = {}
        for key, value in self.topics.get(topic, []):
            assert key is not None
            if value is None:
                found.pop(key, None)
            else:
                found[key] = value
        return found

    def profiles(self) -> dict[str, plain_state.Profile]:
        """What a reader of ``profiles`` knows."""
        newest = self.newest("profiles")
        return {key.decode(): plain_state.profile_in(json.loads(value)) for key, value in newest.items()}

    def partials(self, target: int) -> list[dict[str, Any]]:
        """The records on one partition of ``windows``."""
        return [json.loads(value or b"") for _, value in self.routed.get(("windows", target), [])]

    def shares(self) -> Shares:
        """What a reader of ``windows`` knows: the newest of each series."""
        found: Shares = {}
        for target in range(self.partitions):
            for partials in self.partials(target):
                found.update(plain_state.shares_in(partials.get("windows", [])))
        return found


def assert_plain(ledger: Ledger, events: Sequence[Happened], refused: Sequence[Arrived] = ()) -> None:
    """Profiles and published windows are what a plain computation over the events makes of them."""
    assert ledger.profiles() == plain_state.profiles(events)
    arrived = [Arrived(event.project, event.received) for event in events]
    assert ledger.shares() == plain_state.shares(events) | plain_state.operations([*arrived, *refused])
