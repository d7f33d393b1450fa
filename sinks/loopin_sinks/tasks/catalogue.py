"""The tasks, one a line."""

from __future__ import annotations

from typing import Final

from loopin_sinks.tasks.calculate_metrics import CALCULATE_METRICS, RECALCULATE_METRICS
from loopin_sinks.tasks.calculate_requested import CALCULATE_REQUESTED
from loopin_sinks.tasks.task import Task

TASKS: Final[tuple[Task, ...]] = (
    CALCULATE_METRICS,
    RECALCULATE_METRICS,
    CALCULATE_REQUESTED,
)
