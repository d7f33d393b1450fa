"""What a process that runs tasks tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import Metric

from loopin_sinks.tasks.runner import TaskRunner
from loopin_streams.instruments import Instrument

RUNS: Final = Instrument(
    "loopin_task_runs",
    "counter",
    "Runs of tasks that ended in this process, by schedule and by what became of them: `done`, `failed`, "
    "`cancelled` or `interrupted`.",
    ("schedule", "state"),
)
SUCCEEDED: Final = Instrument(
    "loopin_task_last_success_timestamp_seconds",
    "gauge",
    "When the last good run of a schedule in this process ended, Unix time; absent before the first.",
    ("schedule",),
)
FAILING: Final = Instrument(
    "loopin_tasks_failing",
    "gauge",
    "1 while the store refuses to tell or to keep what runs there are, the log says why; else 0.",
)

TASK_METRICS: Final = (RUNS, SUCCEEDED, FAILING)


class TaskCollector:
    """All of ``TASK_METRICS``."""

    def __init__(self, runner: TaskRunner) -> None:
        self._runner = runner

    def collect(self) -> Iterator[Metric]:
        """What has ended so far."""
        runs, succeeded, failing = RUNS.counter(), SUCCEEDED.gauge(), FAILING.gauge()
        for (schedule, state), number in self._runner.ended.items():
            runs.add_metric([schedule, state], number)
        for schedule, at in self._runner.succeeded.items():
            succeeded.add_metric([schedule], at.timestamp())
        failing.add_metric([], float(self._runner.failing is not None))
        yield from (runs, succeeded, failing)
