"""``loopin tasks``: what runs by the clock, when, and what became of it; asked of the API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, sleep
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
import typer

from loopin_deploy.api_client import ApiClient
from loopin_deploy.commands.api_options import AsJson, Url, api_client, print_json
from loopin_deploy.commands.options import Data
from loopin_deploy.commands.task_tables import run_table, said_run, schedule_table
from loopin_deploy.errors import DeployError
from loopin_deploy.screen import out

app = typer.Typer(help="Tasks: what runs by the clock, when, and what became of it.", no_args_is_help=True)

PATH: Final = "/api/analytics/tasks"
RUNS: Final = "/api/analytics/task-runs"

POLL_S: Final = 0.25

Key = Annotated[
    str, typer.Option(envvar="LOOPIN_KEY", help="Key with the scope admin, for an API elsewhere.")
]
Schedule = Annotated[str, typer.Argument(metavar="NAME", help="As `loopin tasks list` shows it.")]
Crontab = Annotated[
    str | None,
    typer.Option(
        help="When it is due, e.g. '*/30 * * * *', on its project's clocks, or those of all.",
        show_default=False,
    ),
]
Every = Annotated[str | None, typer.Option(help="Instead: 15m, 6h or 1d.", show_default=False)]
Arguments = Annotated[
    str | None,
    typer.Option(help='What it tells its task, as JSON: {"names": ["dau"]}.', show_default=False),
]

_EVERY: Final = re.compile(r"([0-9]{1,7})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@app.command("list")
def list_tasks(data: Data, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """List the schedules, with their next and last runs."""
    found = _client(data, url, key).ask("GET", PATH)
    if as_json:
        print_json(found)
    else:
        out.print(schedule_table(found))


@app.command()
def runs(
    data: Data,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Only of this schedule.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most this many, newest first.")] = 20,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List what became of the newest runs; they are kept for 90 days."""
    of_one = f"&schedule={quote(name, safe='')}" if name else ""
    found = _client(data, url, key).ask("GET", f"{RUNS}?limit={limit}{of_one}")
    if as_json:
        print_json(found)
    else:
        out.print(run_table(found))


@app.command()
def run(
    data: Data,
    name: Schedule,
    arguments: Arguments = None,
    wait: Annotated[float, typer.Option(min=0, help="Longest wait for its end, in seconds.")] = 600.0,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Run a task now, and wait for its end; ends with 1 where it fails."""
    client = _client(data, url, key)
    body = {} if arguments is None else {"arguments": _object(arguments)}
    found = client.ask("POST", f"{_path(name)}/run", body)
    deadline = monotonic() + wait
    while found["state"] in ("requested", "running", "cancelling") and monotonic() < deadline:
        sleep(POLL_S)
        found = client.ask("GET", f"{RUNS}/{quote(found['id'], safe='')}")
    if as_json:
        print_json(found)
    else:
        _say(said_run(found))
    if found["state"] in ("failed", "interrupted", "cancelled"):
        raise typer.Exit(1)


@app.command()
def cancel(
    data: Data,
    id: Annotated[str, typer.Argument(metavar="RUN", help="Its id, as `loopin tasks runs` shows it.")],
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Break a run off, or let it not begin; what it has done stays."""
    found = _client(data, url, key).ask("POST", f"{RUNS}/{quote(id, safe='')}/cancel")
    if as_json:
        print_json(found)
    else:
        _say(f"{found['schedule']} is being cancelled: `loopin tasks runs` says what becomes of it.")


@app.command()
def pause(data: Data, name: Schedule, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Let a schedule wait until it is resumed; it can still be run by hand."""
    _changed(_client(data, url, key).ask("PATCH", _path(name), {"paused": True}), as_json)


@app.command()
def resume(data: Data, name: Schedule, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Let a schedule run again; what it missed meanwhile is not made up for."""
    _changed(_client(data, url, key).ask("PATCH", _path(name), {"paused": False}), as_json)


@app.command("set")
def set_schedule(
    data: Data,
    name: Schedule,
    crontab: Crontab = None,
    every: Every = None,
    arguments: Arguments = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Change when a schedule is due, or what it tells its task."""
    fields = _fields(crontab, every, arguments)
    if not fields:
        raise DeployError("nothing_to_set", "--crontab", "Give --crontab, --every or --arguments.")
    _changed(_client(data, url, key).ask("PATCH", _path(name), fields), as_json)


@app.command()
def add(
    data: Data,
    name: Annotated[str, typer.Argument(help="Its name: lower case, digits and underscores.")],
    task: Annotated[str, typer.Option(help="The task that it runs.")],
    crontab: Crontab = None,
    every: Every = None,
    arguments: Arguments = None,
    url: Url = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Add a further schedule of a task."""
    fields = {"name": name, "task": task, **_fields(crontab, every, arguments)}
    _changed(_client(data, url, key).ask("POST", PATH, fields), as_json)


@app.command()
def remove(data: Data, name: Schedule, url: Url = "", key: Key = "", as_json: AsJson = False) -> None:
    """Take away a schedule that was added, or whose task is gone; others are as their task comes again."""
    found = _client(data, url, key).ask("DELETE", _path(name))
    if as_json:
        print_json(found)
    else:
        _say(f"{name} is taken away." if found["own"] else f"{name} is as its task comes.")


def _client(data: Path, url: str, key: str) -> ApiClient:
    # Tasks are the installation's: a key of any project will do.
    return api_client(data, "", url, key, "admin")


def _path(name: str) -> str:
    return f"{PATH}/{quote(name, safe='')}"


def _fields(crontab: str | None, every: str | None, arguments: str | None) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if crontab is not None:
        fields["crontab"] = crontab
    if every is not None:
        fields["every_s"] = _seconds(every)
    if arguments is not None:
        fields["arguments"] = _object(arguments)
    return fields


def _seconds(text: str) -> int:
    found = _EVERY.fullmatch(text)
    if found is None:
        raise DeployError(
            "every_invalid", "--every", f"{text} is no time: give --every such as 15m, 6h or 1d."
        )
    return int(found[1]) * _SECONDS[found[2]]


def _object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        raise DeployError(
            "arguments_invalid", "--arguments", 'Give --arguments as a JSON object: {"names": ["dau"]}.'
        ) from None


def _changed(found: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        out.print(schedule_table([found]))


def _say(sentence: str) -> None:
    out.print(sentence, highlight=False, markup=False, soft_wrap=True)
