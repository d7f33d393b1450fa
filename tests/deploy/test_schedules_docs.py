"""docs/schedules.md: current, and every task of the documents has its row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loopin_deploy.schedules_docs import REPLACED, main, page
from loopin_schemas.config import SCHEDULE_NAME
from loopin_sinks.tasks.catalogue import TASKS

ROOT = Path(__file__).parents[2]

OF_THE_DOCUMENTS = {
    # Document A, Celery tasks.
    "process_user_events_batch",
    "generate_user_behavior_insights",
    "process_daily_metrics_calculation",
    "perform_user_clustering",
    "generate_predictive_insights",
    "detect_anomalies_batch",
    "cleanup_old_analytics_data",
    "generate_daily_insights_summary",
    # Document A, CELERY_BEAT_SCHEDULE.
    "process-daily-metrics",
    # Document C, task schedule table.
    "update-daily-analytics",
    "update-user-analytics",
    "update-community-analytics",
    "process-geo-restriction-analytics",
    "update-system-metrics",
    "cleanup-old-analytics",
    "generate-analytics-reports",
    "generate-community-reports",
    "generate-geo-effectiveness-reports",
    "process-error-logs",
    "cleanup-resolved-error-logs",
    "cleanup-redis-analytics",
}


def test_it_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["--check"]) == 0


def test_every_task_of_the_documents_has_one_row() -> None:
    named = [*(each.name for each in REPLACED), *(name for task in TASKS for name in task.replaces)]
    assert sorted(named) == sorted(OF_THE_DOCUMENTS)
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    for name in OF_THE_DOCUMENTS:
        assert sum(f"`{name}`" in row for row in rows) == 1, name
    assert [row.split("`")[1] for row in rows if row.split("`")[1] in {task.name for task in TASKS}] == [
        task.name for task in TASKS
    ]


def test_names_of_tasks_are_names_of_schedules() -> None:
    names = [task.name for task in TASKS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(SCHEDULE_NAME, name) for name in names)
