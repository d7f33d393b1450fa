"""How ``loopin tasks`` shows schedules and runs to a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from rich.table import Column, Table
from rich.text import Text

from loopin_deploy.screen import printable, verbatim
from loopin_sinks.tasks.when import Every

Answer = Mapping[str, Any]

_STYLES: Final = {
    "done": "green",
    "failed": "red",
    "interrupted": "yellow",
    "cancelled": "yellow",
    "running": "cyan",
}


def schedule_table(schedules: Iterable[Answer]) -> Table:
    """The schedules, one a row; times are UTC."""
    table = Table(
        Column("schedule", no_wrap=True),
        Column("due", overflow="fold"),
        Column("next run (UTC)", overflow="fold"),
        Column("last run (UTC)", overflow="fold"),
        Column("rows", justify="right"),
        Column("state", overflow="fold"),
    )
    for each in schedules:
        last = each["last_run"]
        table.add_row(
            verbatim(each["name"] if each["name"] == each["task"] else f"{each['name']} ({each['task']})"),
            verbatim(_due(each)),
            _next(each),
            "never" if last is None else shown_time(last["started_at"] or last["asked_at"]),
            "" if last is None else f"{last['rows']:,}",
            _state(last) if each["error"] is None else Text(printable(each["error"]), style="red"),
        )
    return table


def run_table(runs: Iterable[Answer]) -> Table:
    """The runs, one a row, with the id that cancels those which go on; times are UTC."""
    table = Table(
        Column("run", no_wrap=True),
        Column("schedule", no_wrap=True),
        Column("due (UTC)", overflow="fold"),
        Column("began", overflow="fold"),
        Column("took", justify="right"),
        Column("rows", justify="right"),
        Column("by", overflow="fold"),
        Column("state", overflow="fold"),
    )
    for run in runs:
        table.add_row(
            verbatim(run["id"]),
            verbatim(run["schedule"]),
            shown_time(run["scheduled_for"]),
            shown_time(run["started_at"]),
            _took(run),
            f"{run['rows']:,}",
            verbatim(run["by"]),
            _state(run),
        )
    return table


def said_run(run: Answer) -> str:
    """What became of a run, in one sentence."""
    name = printable(run["schedule"])
    if run["state"] == "done":
        return f"{name} is done: {run['rows']:,} rows in {_took(run)}."
    if run["state"] in ("failed", "interrupted", "cancelled"):
        return f"{name} is {run['state']}: {printable(run['error'] or '')}"
    waits = "has not begun yet" if run["state"] == "requested" else "goes on"
    return f"{name} {waits}: `loopin tasks runs {name}` says what becomes of it."


def shown_time(text: str | None) -> str:
    """A time of an answer, to the minute."""
    return "-" if text is None else text[:16].replace("T", " ")


def _due(schedule: Answer) -> str:
    if schedule["every_s"] is not None:
        return str(Every(schedule["every_s"]))
    return str(schedule["crontab"] or "when asked for")


def _next(schedule: Answer) -> str:
    return "paused" if schedule["paused"] else shown_time(schedule["next_run_at"])


def _state(run: Answer | None) -> Text:
    if run is None:
        return Text("-")
    state = Text(run["state"], style=_STYLES.get(run["state"], ""))
    if run["state"] == "running" and run["total"]:
        state.append(f" ({run['done']:,} of {run['total']:,})")
    return state.append(f": {printable(run['error'])}") if run["error"] else state


def _took(run: Answer) -> str:
    if run["started_at"] is None or run["ended_at"] is None:
        return "-"
    length = datetime.fromisoformat(run["ended_at"]) - datetime.fromisoformat(run["started_at"])
    return f"{length.total_seconds():.1f} s"
