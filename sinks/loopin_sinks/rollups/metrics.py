"""What the task that rolls up days tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from loopin_sinks.rollups.roller import DayRoller
from loopin_streams.instruments import Instrument

ROLLED_DAYS = Instrument(
    "loopin_rolled_days", "counter", "Days that this process has rolled up, again where events came late."
)
ROLLUP_AGE = Instrument(
    "loopin_rollup_age_seconds",
    "gauge",
    "Age of the last look after which all days that were over had been rolled up; absent before the first, "
    "and in a process that leaves it to another.",
)
ROLLUP_FAILING = Instrument(
    "loopin_rollup_failing", "gauge", "1 while days cannot be rolled up, the log says why; else 0."
)

ROLLUP_METRICS = (ROLLED_DAYS, ROLLUP_AGE, ROLLUP_FAILING)


class RollupCollector:
    """A roller, read when Prometheus asks."""

    def __init__(self, roller: DayRoller) -> None:
        self._roller = roller

    def collect(self) -> Iterator[Metric]:
        """``ROLLUP_METRICS``."""
        rolled, age, failing = ROLLED_DAYS.counter(), ROLLUP_AGE.gauge(), ROLLUP_FAILING.gauge()
        rolled.add_metric([], self._roller.rolled)
        if self._roller.behind_s is not None:
            age.add_metric([], self._roller.behind_s)
        failing.add_metric([], float(self._roller.failing is not None))
        yield from (rolled, age, failing)
