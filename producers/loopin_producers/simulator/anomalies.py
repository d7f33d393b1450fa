"""Anomalies planted in the metrics: one in each ten days, the kinds in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from loopin_producers.simulator.dice import Chance, Dice
from loopin_producers.simulator.parameters import DAY_MS, HOUR_MS

EVERY_DAYS = 10


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of anomaly, how many hours it lasts, and what it does."""

    name: str
    hours: tuple[int, int]
    effect: str


KINDS = (
    Kind("payment_failures", (8, 24), "payments fail with probability 0.45"),
    Kind("revenue_drop", (18, 36), "the probability to buy is multiplied by 0.2"),
    Kind("error_rate", (4, 12), "API requests answer 5xx with probability 0.15"),
    Kind("traffic_surge", (6, 12), "six times as many visitors"),
)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One of them; from ``start_ms`` to before ``end_ms``, epoch ms."""

    kind: Kind
    start_ms: int
    end_ms: int


class Anomalies:
    """The anomalies of a world that begins at ``start_ms``."""

    def __init__(self, chance: Chance, start_ms: int) -> None:
        self._chance = chance
        self._start_ms = start_ms
        self.of_block = lru_cache(64)(self._make)

    def active(self, kind: str, at_ms: int) -> bool:
        """Whether an anomaly of this kind goes on."""
        anomaly = self.of_block((at_ms - self._start_ms) // (EVERY_DAYS * DAY_MS))
        return anomaly.kind.name == kind and anomaly.start_ms <= at_ms < anomaly.end_ms

    def until(self, end_ms: int) -> Iterator[Anomaly]:
        """All that begin before a time."""
        for block in range((end_ms - self._start_ms) // (EVERY_DAYS * DAY_MS) + 1):
            anomaly = self.of_block(block)
            if anomaly.start_ms < end_ms:
                yield anomaly

    def _make(self, block: int) -> Anomaly:
        kind = _in_turn(self._chance.dice(f"anomalies/{block // len(KINDS)}"))[block % len(KINDS)]
        dice = self._chance.dice(f"anomaly/{block}")
        lasts = dice.whole(*kind.hours)
        first = dice.whole(2 * 24, (EVERY_DAYS - 1) * 24 - lasts)
        start_ms = self._start_ms + block * EVERY_DAYS * DAY_MS + first * HOUR_MS
        return Anomaly(kind, start_ms, start_ms + lasts * HOUR_MS)


def _in_turn(dice: Dice) -> list[Kind]:
    left, order = list(KINDS), []
    while left:
        order.append(left.pop(dice.whole(0, len(left) - 1)))
    return order
