"""``loopin watch``: a project's numbers and alerts as they happen."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.live import Live

from loopin_deploy.commands.api_options import Project, Url, api_address
from loopin_deploy.commands.options import Data
from loopin_deploy.screen import out
from loopin_deploy.watch.view import WatchView
from loopin_deploy.watch.watching import REFRESH_S, Watching


def watch(
    data: Data,
    project: Project = "",
    url: Url = "",
    key: Annotated[
        str, typer.Option(envvar="LOOPIN_KEY", help="Key with the scope read, for an API elsewhere.")
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="Print the numbers of now, and end.")] = False,
) -> None:
    """Show a project's numbers and alerts as they happen, until Ctrl-C.

    Where the output is no terminal, it is as with --once.
    """
    api = api_address(data, project, url, key, "read")
    watching = Watching(api.project or api.url, api.url, api.key)
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
