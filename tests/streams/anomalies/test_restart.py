"""Anomalies of a world through the enrichment, whole and with new beginnings: the same, and none twice."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field

import pytest

from loopin_schemas.anomaly import Anomaly
from loopin_schemas.codec import decode, encode
from loopin_schemas.example import Example
from loopin_streams.enrich.absorber import EnrichAbsorber
from loopin_streams.enrich.job import EnrichJob, EnrichOptions
from loopin_streams.kafka.marker import Counts, Marker
from loopin_streams.learning.answers import Answers
from loopin_streams.learning.models import Models
from tests.evaluate.planted import Planter
from tests.producers.simulator.worlds import live_through, parameters

DAYS = 34
BATCH = 300


@dataclass
class Sent:
    offset: int
    timestamp: int
    key: bytes
    value: bytes


@dataclass
class Passed:
    """All that came out; ``again`` begins a new absorber after so many batches."""

    anomalies: list[Anomaly] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    written: dict[str, dict[bytes, bytes]] = field(default_factory=lambda: defaultdict(dict))
    counts: Counts = field(default_factory=Counts)
    marker: Marker = field(default_factory=lambda: Marker(topic_id="t", position=0))

    def open(self) -> EnrichAbsorber:
        options = EnrichOptions(topic_prefix="", partitions=1, sentiment=False)
        absorber = EnrichJob(options, None, Answers(Models)).open(0, "t")
        held = self.written["profiles"].items()
        absorber.restore("profiles", [Sent(at, 0, key, value) for at, (key, value) in enumerate(held)])
        absorber.opened(self.marker, self.written["enrich.state"])
        return absorber

    def run(self, sent: list[Sent], *, again: int = 0) -> None:
        absorber = self.open()
        for number, at in enumerate(range(0, len(sent), BATCH), start=1):
            output = absorber.absorb(sent[at : at + BATCH], at + BATCH)
            for topic in ("profiles", "enrich.state"):
                for key, value in output.messages.get(topic, []):
                    assert key is not None
                    if value is None:
                        self.written[topic].pop(key, None)
                    else:
                        self.written[topic][key] = value
            for key, value in output.messages.get("anomalies", []):
                anomaly = decode(value or b"", Anomaly)
                assert key == f"{anomaly.project}:{anomaly.distinct_id}".encode()
                self.anomalies.append(anomaly)
            told = [decode(value or b"", Example) for _, value in output.routed.get(("examples", 0), [])]
            self.examples += [one for one in told if one.target == "session"]
            self.counts = self.counts.plus(output.counts)
            self.marker = Marker(
                topic_id="t", position=at + BATCH, watermark=output.watermark, held=output.held
            )
            if again and number % again == 0:
                absorber = self.open()


@pytest.fixture(scope="module")
def sent() -> list[Sent]:
    world = live_through(parameters(users=40, days=DAYS, seed=33))
    planter = Planter("1")
    people = (event for event in world.events if not event["distinct_id"].startswith("bot"))
    events = [each for event in people for each in planter.through(event)]
    found = []
    for at, event in enumerate(events):
        body = json.dumps({**event, "uuid": f"01a2b3c4-0000-7000-8000-{at:012x}"}).encode()
        found.append(Sent(at, event["timestamp"] + 20, f"demo:{event['distinct_id']}".encode(), body))
    return found


@pytest.fixture(scope="module")
def passed(sent: list[Sent]) -> Passed:
    found = Passed()
    found.run(sent)
    return found


def test_anomalies_are_told_with_the_event_that_raised_them(sent: list[Sent], passed: Passed) -> None:
    assert len(passed.anomalies) >= 10
    assert len({one.kind for one in passed.anomalies}) >= 3
    for one in passed.anomalies:
        event = json.loads(sent[one.raw_offset].value)
        assert event["distinct_id"] == one.distinct_id
        if one.kind != "sudden_inactivity":
            assert (event["timestamp"], event["event"]) == (one.at, one.event_name)
    assert sum(passed.counts.anomalies.values()) == len(passed.anomalies)


@pytest.mark.parametrize("again", [3, 50])
def test_a_worker_that_begins_again_tells_the_same_and_nothing_twice(
    sent: list[Sent], passed: Passed, again: int
) -> None:
    other = Passed()
    other.run(sent, again=again)
    assert other.anomalies == passed.anomalies
    assert other.examples == passed.examples
    assert other.written["profiles"] == passed.written["profiles"]
    once = {(one.distinct_id, one.kind, one.at) for one in passed.anomalies}
    assert len(once) == len(passed.anomalies)
    assert encode(other.counts) == encode(passed.counts)
