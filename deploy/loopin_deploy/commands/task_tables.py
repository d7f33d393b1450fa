"""How ``loopin tasks`` shows schedules and runs to a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
    """The schedules, one a row; times are UTC, without the year, so that 80 columns hold them."""
    table = Table(
        Column("schedule", no_wrap=True),
        Column("due", overflow="fold"),
        Column("next run,\nlast (UTC)", no_wrap=True),
        Column("rows", justify="right", no_wrap=True),
        Column("state", overflow="fold"),
    )
    for each in schedules:
        last = each["last_run"]
        table.add_row(
            verbatim(each["name"]) if each["name"] == each["task"] else _own(each),
            verbatim(_due(each)),
            f"{_next(each)}\n{_began(last)}",
            "" if last is None else f"{last['rows']:,}",
            _last(last) if each["error"] is None else Text(printable(each["error"]), style="red"),
        )
    return table


def _own(schedule: Answer) -> Text:
    return Text("\n").join([verbatim(schedule["name"]), verbatim(f"({schedule['task']})")])


def run_table(runs: Iterable[Answer]) -> Table:
    """The runs, one a row, with the id that cancels those which go on; times are UTC.

    80 columns hold it: runs are kept for 90 days, so that their times need no year.
    """
    table = Table(
        Column("state", no_wrap=True),
        Column("began (UTC),\ntook", no_wrap=True),
        Column("rows", justify="right", no_wrap=True),
        Column("run", overflow="fold"),
    )
    for run in runs:
        table.add_row(
            _state(run),
            f"{_short_time(run['started_at'])}\n{_took(run)}",
            f"{run['rows']:,}",
            Text("\n").join(_about(run)),
        )
    return table


def _about(run: Answer) -> Iterator[Text]:
    yield verbatim(run["schedule"])
    yield Text(printable(run["id"]), style="dim")
    yield verbatim(
        f"by {run['by']}" if run["scheduled_for"] is None else f"due {_short_time(run['scheduled_for'])}"
    )
    progress = _progress(run)
    if progress:
        yield Text(progress)
    if run["error"]:
        yield verbatim(run["error"])


def said_run(run: Answer) -> str:
    """What became of a run, in one sentence."""
    name = printable(run["schedule"])
    if run["state"] == "done":
        return f"{name} is done: {run['rows']:,} rows in {_took(run)}."
    if run["state"] in ("failed", "interrupted", "cancelled"):
        return f"{name} is {run['state']}: {printable(run['error'] or '')}"
    waits = "has not begun yet" if run["state"] == "requested" else "goes on"
    return f"{name} {waits}: `loopin tasks runs {name}` says what becomes of it."


def _short_time(text: str | None) -> str:
    return "-" if text is None else text[5:16].replace("T", " ")


def _due(schedule: Answer) -> str:
    if schedule["every_s"] is not None:
        return str(Every(schedule["every_s"]))
    return str(schedule["crontab"] or "when asked for")


def _next(schedule: Answer) -> str:
    return "paused" if schedule["paused"] else _short_time(schedule["next_run_at"])


def _began(run: Answer | None) -> str:
    return "never" if run is None else _short_time(run["started_at"] or run["asked_at"])


def _last(run: Answer | None) -> Text:
    if run is None:
        return Text("-")
    state, progress = _state(run), _progress(run)
    if progress:
        state.append(f" ({progress})")
    return state.append(f": {printable(run['error'])}") if run["error"] else state


def _state(run: Answer) -> Text:
    return Text(run["state"], style=_STYLES.get(run["state"], ""))


def _progress(run: Answer) -> str:
    under_way = run["state"] == "running" and run["total"]
    return f"{run['done']:,} of {run['total']:,}" if under_way else ""


def _took(run: Answer) -> str:
    if run["started_at"] is None or run["ended_at"] is None:
        return "-"
    length = datetime.fromisoformat(run["ended_at"]) - datetime.fromisoformat(run["started_at"])
    return f"{length.total_seconds():.1f} s"
