"""One partition of the enrichment without a broker: what it writes, and successors that begin with that."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loopin_schemas.anomaly import Anomaly
from loopin_schemas.codec import decode
from loopin_schemas.example import Example
from loopin_schemas.profile import Profile
from loopin_streams.enrich.absorber import EnrichAbsorber
from loopin_streams.enrich.job import EnrichJob, EnrichOptions
from loopin_streams.kafka.marker import Counts, Marker
from loopin_streams.learning.answers import Answers

STATE = ("profiles", "enrich.state")
"""Topics of which the newest record of each key is held."""


@dataclass
class Sent:
    """A record of ``events.raw``."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes


def record(offset: int, event: Mapping[str, Any], after: int = 20) -> Sent:
    """An event as its user's client publishes it, which arrives ``after`` ms after its time."""
    body = json.dumps({**event, "uuid": f"01a2b3c4-0000-7000-8000-{offset:012x}"}).encode()
    key = f"{event['project']}:{event['distinct_id']}".encode()
    return Sent(offset, event["timestamp"] + after, key, body)


@dataclass
class OnePartition:
    """All that comes out of the records of one partition; ``answers`` are the models of all workers."""

    answers: Answers = field(default_factory=Answers)
    examples: list[Example] = field(default_factory=list)
    anomalies: list[Anomaly] = field(default_factory=list)
    written: dict[str, dict[bytes, bytes]] = field(default_factory=lambda: defaultdict(dict))
    counts: Counts = field(default_factory=Counts)
    marker: Marker = field(default_factory=lambda: Marker(topic_id="t", position=0))

    @property
    def profiles(self) -> dict[bytes, Profile]:
        """The newest by key."""
        return {key: decode(value, Profile) for key, value in self.written["profiles"].items()}

    def open(self) -> EnrichAbsorber:
        """A worker that begins with what is written."""
        options = EnrichOptions(topic_prefix="", partitions=1)
        absorber = EnrichJob(options, answers=self.answers).open(0, "t")
        held = self.written["profiles"].items()
        absorber.restore("profiles", [Sent(at, 0, key, value) for at, (key, value) in enumerate(held)])
        absorber.opened(self.marker, self.written["enrich.state"])
        return absorber

    def run(self, sent: Sequence[Sent], *, batch: int, again: int = 0) -> None:
        """Enrich the next records batch by batch; a successor takes over after each ``again`` of them."""
        absorber = self.open()
        for number, at in enumerate(range(0, len(sent), batch), start=1):
            records = sent[at : at + batch]
            position = records[-1].offset + 1
            output = absorber.absorb(records, position)
            for topic in STATE:
                for key, value in output.messages.get(topic, []):
                    assert key is not None
                    # What is left of a topic is in the order of the newest records.
                    self.written[topic].pop(key, None)
                    if value is not None:
                        self.written[topic][key] = value
            for key, value in output.messages.get("anomalies", []):
                anomaly = decode(value or b"", Anomaly)
                assert key == f"{anomaly.project}:{anomaly.distinct_id}".encode()
                self.anomalies.append(anomaly)
            told = output.routed.get(("examples", 0), [])
            self.examples += [decode(value or b"", Example) for _, value in told]
            self.counts = self.counts.plus(output.counts)
            self.marker = Marker(
                topic_id="t", position=position, watermark=output.watermark, held=output.held
            )
            if again and number % again == 0:
                absorber = self.open()
