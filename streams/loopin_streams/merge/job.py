"""The merge as a job of the exactly-once runner."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, time

from loopin_schemas import topics
from loopin_schemas.alert_rules.pipeline import INVALID_RATIO
from loopin_streams.alerts.rules import Rules
from loopin_streams.merge.absorber import MergeAbsorber
from loopin_streams.merge.invalid_ratio import InvalidRatioLimits


class MergeJob:
    """From ``windows`` to ``metrics`` and ``alerts``; ``partitions`` is how many ``events.raw`` has."""

    name = "merge"
    input = topics.WINDOWS.name
    state_topic = topics.MERGE_STATE.name
    history: tuple[str, ...] = ()
    outputs = (topics.METRICS.name,)

    def __init__(
        self,
        partitions: int,
        limits: InvalidRatioLimits,
        rules: Callable[[], Rules] = Rules,
        *,
        clock: Callable[[], float] = monotonic,
        wall_clock: Callable[[], float] = time,
    ) -> None:
        self._partitions = partitions
        self._limits = {INVALID_RATIO: limits.of}
        self._rules = rules
        self._clock = clock
        self._wall_clock = wall_clock

    def open(self, partition: int, topic_id: str) -> MergeAbsorber:
        """A partition's windows, with nothing known yet."""
        return MergeAbsorber(
            self._partitions,
            self._rules(),
            self._limits,
            clock=self._clock,
            wall_clock=self._wall_clock,
        )
