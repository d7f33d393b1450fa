"""What ``loopin tasks`` shows on a terminal of 80 columns."""

from __future__ import annotations

from typing import Any

from loopin_deploy.commands.task_tables import run_table, schedule_table
from tests.deploy.columns_80 import lines

RUN = "019ad05bfd8c5f0d3c6b1a7e4f2a9b80"


def run(**changed: Any) -> dict[str, Any]:
    return {
        "id": RUN, "schedule": "recalculate_metrics", "task": "recalculate_metrics", "by": "schedule",
        "scheduled_for": "2026-11-29T02:15:00Z", "asked_at": "2026-11-29T02:15:00.401Z",
        "started_at": "2026-11-29T02:15:00.402Z", "ended_at": "2026-11-29T02:27:13.652Z", "state": "done",
        "rows": 1_234_567, "error": None, "done": 3, "total": 3, **changed,
    }  # fmt: skip


def test_nothing_of_a_schedule_is_broken_in_two() -> None:
    schedule: dict[str, Any] = {
        "name": "revenue_often", "task": "recalculate_metrics", "crontab": "45 */6 * * *", "every_s": None,
        "paused": False, "next_run_at": "2026-11-30T04:45:00Z", "error": None,
        "last_run": run(state="interrupted"),
    }  # fmt: skip
    shown = lines(schedule_table([schedule]))
    for said in ("revenue_often", "(recalculate_metrics)", "45 */6 * * *", "11-30 04:45", "11-29 02:15"):
        assert any(said in line for line in shown), said
    assert any("1,234,567 │ interrupted" in line for line in shown)


def test_nothing_of_a_run_is_broken_in_two() -> None:
    shown = lines(run_table([run(state="interrupted")]))
    for said in ("interrupted", "recalculate_metrics", RUN, "due 11-29 02:15", "11-29 02:15 ", "733.2 s"):
        assert any(said in line for line in shown), said
    assert any("interrupted" in line and "1,234,567" in line for line in shown)


def test_what_goes_on_and_who_asked_for_it() -> None:
    asked = {"by": "key 3d0991e5a2673271", "scheduled_for": None, "ended_at": None}
    shown = lines(run_table([run(state="running", done=12_000, total=50_000, **asked)]))
    for said in ("running", "12,000 of 50,000", "by key 3d0991e5a2673271", RUN):
        assert any(said in line for line in shown), said
    assert not any("due " in line for line in shown)


def test_an_error_is_told_whole() -> None:
    error = "It failed (ZeroDivisionError): see the log of the process that runs tasks, a\x1b[2J and [red]."
    shown = lines(run_table([run(state="failed", error=error)]))
    last_column = " ".join(line.strip("│ ").rpartition("│")[2].strip() for line in shown)
    assert error.replace("\x1b", "\\x1b") in last_column
