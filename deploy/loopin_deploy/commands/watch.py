"""``loopin watch``: a project's numbers and alerts as they happen."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from loopin_deploy.commands.options import Data
from loopin_deploy.data_folder import DataFolder
from loopin_deploy.errors import DeployError
from loopin_deploy.own_secrets import PERSONAL_SCOPES, load_or_create_secrets
from loopin_deploy.screen import out
from loopin_deploy.stack_state import read_state
from loopin_deploy.watch.view import WatchView
from loopin_deploy.watch.watching import REFRESH_S, Watching


def watch(
    data: Data,
    project: Annotated[
        str, typer.Option(help="Project of the system on the data folder; its first one by default.")
    ] = "",
    url: Annotated[str, typer.Option(help="Address of another API, e.g. http://10.0.0.5:8000.")] = "",
    key: Annotated[
        str, typer.Option(envvar="LOOPIN_KEY", help="Key of the project with the scope read, with --url.")
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="Print the numbers of now, and end.")] = False,
) -> None:
    """Show a project's numbers and alerts as they happen, until Ctrl-C.

    Where the output is no terminal, it is as with --once.
    """
    if url:
        name = url = _checked(url)
    else:
        url, key, name = _own(data, project)
    watching = Watching(name, url, key)
    if once or not out.is_terminal:
        out.print(WatchView(watching.state, datetime.now(UTC)))
        return
    try:
        _keep_showing(watching)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _keep_showing(watching: Watching) -> None:
    watching.listen()
    with Live(console=out, screen=True, auto_refresh=False) as live:
        while True:
            live.update(WatchView(watching.state, datetime.now(UTC)), refresh=True)
            time.sleep(REFRESH_S)
            watching.catch_up()


def _own(data: Path, project: str) -> tuple[str, str, str]:
    """Address, key and project of the system that runs on the data folder."""
    state = read_state(data)
    if state is None:
        raise DeployError(
            "nothing_runs",
            str(data),
            f"Nothing runs on the data folder {data}: start it with `loopin up`, or name an API with --url.",
        )
    keys = [
        one
        for one in load_or_create_secrets(DataFolder(data).secrets, ()).keys
        if one.scopes == PERSONAL_SCOPES and project in ("", one.project)
    ]
    if not keys:
        raise DeployError(
            "project_unknown",
            "--project",
            f"The data folder has no key of project {project}: give --url and --key.",
        )
    return state.api_url, keys[0].key, keys[0].project


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise DeployError("url_invalid", "--url", f"{url} is no address: give one like http://10.0.0.5:8000.")
    return url.rstrip("/")
