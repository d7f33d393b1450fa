"""One partition's merge at work: its state is what it has committed, so that it can be started again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from loopin_schemas.codec import encode
from loopin_schemas.window import Window, WindowPartials
from loopin_streams.alerts.rules import Rules
from loopin_streams.kafka.config_state import Configuration
from loopin_streams.kafka.job import Message, Output
from loopin_streams.kafka.marker import Marker
from loopin_streams.merge.absorber import MergeAbsorber
from loopin_streams.merge.invalid_ratio import InvalidRatioLimits
from loopin_streams.merge.job import MergeJob
from tests.streams.enrich.drafts import RECEIVED_MS, TOPIC_ID, RawRecord
from tests.streams.enrich.ledger import Clock
from tests.streams.plain_state import DAY, Numbers, Series, Shares

T = RECEIVED_MS - RECEIVED_MS % DAY
"""A midnight, epoch ms."""


@dataclass
class Merge:
    """One partition's merge, and what it has committed."""

    partitions: int
    clock: Clock = field(default_factory=Clock)
    wall: Clock = field(default_factory=lambda: Clock(T / 1000))
    state: dict[bytes, bytes] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    configuration: Configuration = field(default_factory=Configuration)
    limits: InvalidRatioLimits = field(default_factory=InvalidRatioLimits)
    marker: Marker = field(default_factory=lambda: Marker(topic_id=TOPIC_ID, position=0))
    absorber: MergeAbsorber = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        job = MergeJob(
            self.partitions,
            self.limits,
            lambda: Rules(lambda: self.configuration),
            clock=self.clock,
            wall_clock=self.wall,
        )
        self.absorber = job.open(0, TOPIC_ID)
        self.absorber.opened(self.marker, self.state)

    def absorb(self, *bodies: bytes | None) -> Output:
        start = self.marker.position
        records = [RawRecord(value, start + at) for at, value in enumerate(bodies)]
        output = self.absorber.absorb(records, start + len(records))
        self._commit(output, start + len(records))
        return output

    def second(self) -> Output | None:
        """Let a second pass without input."""
        self.clock.now += 1
        self.wall.now += 1
        output = self.absorber.idle(self.marker.position, None)
        if output is not None:
            self._commit(output, self.marker.position)
        return output

    def _commit(self, output: Output, position: int) -> None:
        for key, value in output.messages.get("merge.state", []):
            assert key is not None
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        self.metrics += _decoded(output.messages.get("metrics", []))
        self.alerts += _decoded(output.routed.get(("alerts", 0), []))
        self.marker = Marker(
            topic_id=TOPIC_ID,
            position=position,
            watermark=self.marker.watermark if output.watermark is None else output.watermark,
            counts=self.marker.counts.plus(output.counts),
        )

    def newest(self) -> dict[Series, dict[str, Any]]:
        """What a reader of ``metrics`` knows: the greatest revision of each series."""
        found: dict[Series, dict[str, Any]] = {}
        for one in self.metrics:
            series = Series(
                one["project"],
                one["grain"],
                one["start"],
                one["metric"],
                one.get("dimension", ""),
                one.get("value", ""),
            )
            if series not in found or one["revision"] > found[series]["revision"]:
                found[series] = one
        return found

    def sums(self) -> Shares:
        return {
            series: Numbers(one["count"], one.get("sum"), one.get("min"), one.get("max"))
            for series, one in self.newest().items()
        }


def _decoded(messages: Iterable[Message]) -> list[dict[str, Any]]:
    return [json.loads(value or b"") for _, value in messages]


def partials(partition: int, watermark: int | None, *windows: Window) -> bytes:
    return encode(WindowPartials(partition=partition, position=0, watermark=watermark, windows=list(windows)))
