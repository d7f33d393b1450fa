"""The merge publishes no sum before every raw partition has told its share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from loopin_schemas.codec import encode
from loopin_schemas.window import Cell, Grain, Window, WindowPartials
from loopin_streams.alerts.rules import Rules
from loopin_streams.kafka.job import Output
from loopin_streams.kafka.marker import Marker
from loopin_streams.merge.absorber import MergeAbsorber
from loopin_streams.merge.invalid_ratio import InvalidRatioLimits

NOON = 1_800_014_400_000
MINUTE: Grain = "minute"


@dataclass
class Told:
    """A record on ``windows``."""

    value: bytes
    offset: int = 0
    timestamp: int = 0
    key: bytes | None = None


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def share(partition: int, *counts: tuple[str, int], watermark: int | None = NOON) -> Told:
    cells = [Cell(metric, "reason" if "/" in metric else "", "", count) for metric, count in counts]
    window = Window(project="demo", grain=MINUTE, start=NOON, cells=cells)
    return Told(
        encode(WindowPartials(partition=partition, position=1, watermark=watermark, windows=[window]))
    )


def opened(clock: Clock) -> MergeAbsorber:
    absorber = MergeAbsorber(
        2, Rules(), {"invalid_ratio": InvalidRatioLimits().of}, clock=clock, wall_clock=lambda: 5.0
    )
    absorber.opened(Marker(topic_id="t", position=0), {})
    return absorber


def sums(output: Output) -> dict[str, int]:
    rows: list[dict[str, Any]] = [json.loads(value or b"") for _, value in output.messages.get("metrics", [])]
    return {row["metric"]: row["count"] for row in rows}


def test_one_partitions_share_alone_is_not_published() -> None:
    clock = Clock()
    absorber = opened(clock)
    clock.now = 10
    assert sums(absorber.absorb([share(0, ("events", 3))], 1)) == {}
    clock.now = 20
    assert absorber.idle(1, None) is None
    # A flush of several records has its watermark in the last one.
    assert sums(absorber.absorb([share(1, ("events", 4), watermark=None)], 2)) == {}
    clock.now = 30
    assert sums(absorber.absorb([share(1, ("revenue", 1))], 3)) == {"events": 7, "revenue": 1}


def test_alerts_wait_for_the_whole_too() -> None:
    clock = Clock()
    absorber = opened(clock)
    bad = [("records_received", 30), ("records_rejected", 30)]
    cells = [Cell(metric, "", "", count) for metric, count in bad]
    cells.append(Cell("records_rejected", "reason", "not_json", 30))
    window = Window(project="demo", grain=MINUTE, start=NOON, cells=cells)
    first = WindowPartials(partition=0, position=1, watermark=NOON, windows=[window])
    assert absorber.absorb([Told(encode(first))], 1).routed == {}
    # In the other partition all was well: 30 of 1,030 are no alarm.
    assert absorber.absorb([share(1, ("records_received", 1000))], 2).routed == {}


def test_an_alert_of_the_time_of_waiting_is_raised_then() -> None:
    clock = Clock()
    absorber = opened(clock)
    cells = [
        Cell("records_received", "", "", 40),
        Cell("records_rejected", "", "", 40),
        Cell("records_rejected", "reason", "not_json", 40),
    ]
    window = Window(project="demo", grain=MINUTE, start=NOON, cells=cells)
    first = WindowPartials(partition=0, position=1, watermark=NOON, windows=[window])
    assert absorber.absorb([Told(encode(first))], 1).routed == {}
    other = WindowPartials(partition=1, position=1, watermark=NOON)
    [(target, alerts)] = absorber.absorb([Told(encode(other))], 2).routed.items()
    assert target == ("alerts", 0)
    assert json.loads(alerts[0][1] or b"")["value"] == 1.0
