"""docs/schedules.md: current, and every task of the documents has its row."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from loopin_deploy.schedules_docs import REPLACED, SETTINGS, main, page
from loopin_schemas.names import NAME
from loopin_sinks.tasks.catalogue import TASKS
from loopin_sinks.tasks.when import following
from loopin_streams.projects.settings import ProjectDefaults

ROOT = Path(__file__).parents[2]

OF_THE_DOCUMENTS = {
    # Document A, "Celery Tasks", and when by its "Task Scheduling".
    "process_user_events_batch": "for each batch",
    "generate_user_behavior_insights": "every 6 hours",
    "process_daily_metrics_calculation": "every hour",
    "perform_user_clustering": "not said",
    "generate_predictive_insights": "not said",
    "detect_anomalies_batch": "every 30 minutes",
    "cleanup_old_analytics_data": "daily",
    "generate_daily_insights_summary": "daily",
    # Document A, CELERY_BEAT_SCHEDULE: 60.0 * 60.0 s.
    "process-daily-metrics": "every hour",
    # Document C, "Task Schedule Table".
    "update-daily-analytics": "every 30 minutes",
    "update-user-analytics": "every hour",
    "update-community-analytics": "every 15 minutes",
    "process-geo-restriction-analytics": "every 20 minutes",
    "update-system-metrics": "every 15 minutes",
    "cleanup-old-analytics": "daily at 02:00",
    "generate-analytics-reports": "daily at 03:00",
    "generate-community-reports": "daily at 03:30",
    "generate-geo-effectiveness-reports": "daily at 04:00",
    "process-error-logs": "every 10 minutes",
    "cleanup-resolved-error-logs": "daily at 04:30",
    "cleanup-redis-analytics": "daily at 05:00",
}
"""Every task of the documents' tables, and when it is to run."""

SETTINGS_OF_THE_DOCUMENTS = {
    # Document B, "Analytics Configuration"; document A, its environment.
    "processing_interval": "60 s",
    "retention_days, ANALYTICS_RETENTION_DAYS": "365 days",
    "raw_events": "90 days",
    "hourly_aggregates": "365 days",
    "daily_aggregates": "1095 days",
    "refresh_interval": "300 s",
    "cache_timeout": "900 s",
    "model_retraining_interval": "7 days",
    "prediction_horizon": "30 days",
    "min_data_points": "100",
    "model_accuracy_threshold": "0.75",
}


def test_it_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["--check"]) == 0


def test_every_task_of_the_documents_has_one_row() -> None:
    named = [*(each.name for each in REPLACED), *(name for task in TASKS for name in task.replaces)]
    assert sorted(named) == sorted(OF_THE_DOCUMENTS)
    assert {each.name: each.ran for each in REPLACED}.items() <= OF_THE_DOCUMENTS.items()
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    for name in OF_THE_DOCUMENTS:
        assert sum(f"`{name}`" in row for row in rows) == 1, name
    assert [row.split("`")[1] for row in rows if row.split("`")[1] in {task.name for task in TASKS}] == [
        task.name for task in TASKS
    ]


def test_the_list_that_is_shown_names_every_task() -> None:
    shown = page().split("$ loopin tasks list\n")[1].split("```")[0]
    assert max(map(len, shown.splitlines())) <= 80
    for task in TASKS:
        due = "when asked for" if task.when is None else str(task.when)
        assert re.search(rf"│ {task.name} +│ {re.escape(due)} +│", shown), task.name


def test_names_of_tasks_are_names_of_schedules() -> None:
    names = [task.name for task in TASKS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(NAME, name) for name in names)


def test_what_runs_for_a_task_of_the_documents_runs_as_often() -> None:
    now = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
    lengths = {
        "every 30 minutes": timedelta(minutes=30),
        "every hour": timedelta(hours=1),
        "every 6 hours": timedelta(hours=6),
        "daily": timedelta(days=1),
        "not said": timedelta.max,
    }
    for task in TASKS:
        for name in task.replaces:
            assert task.when is not None
            first = following(task.when, now, UTC)
            often, _, at = OF_THE_DOCUMENTS[name].partition(" at ")
            assert following(task.when, first, UTC) - first <= lengths[often], name
            assert not at or f"{first:%H:%M}" == at, name


def test_every_interval_of_the_documents_has_its_row_and_retention_is_as_they_say() -> None:
    assert {each.name: each.length for each in SETTINGS} == SETTINGS_OF_THE_DOCUMENTS
    assert ProjectDefaults().project("shop").retention == (90, 365, 1095)
    assert all(f"| `{name}`" in page() for name in SETTINGS_OF_THE_DOCUMENTS if "," not in name)
