"""``loopin watch``: a project's numbers and alerts as they happen."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, Queue
from typing import Annotated, Final

import typer
from rich.live import Live

from loopin_deploy.api_client import ApiClient
from loopin_deploy.commands.options import Data
from loopin_deploy.data_folder import DataFolder
from loopin_deploy.errors import DeployError
from loopin_deploy.live_client import LiveClient, LiveEvent
from loopin_deploy.own_secrets import PERSONAL_SCOPES, load_or_create_secrets
from loopin_deploy.screen import out
from loopin_deploy.stack_state import read_state
from loopin_deploy.watch.state import LIVE_QUERY, WatchState
from loopin_deploy.watch.view import WatchView

REFRESH_S: Final = 0.5

Heard = Queue[LiveEvent | Exception]


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
    state, api = WatchState(name), ApiClient(url, key)
    state.begin(api.real_time(), api.overview(days=1))
    if once or not out.is_terminal:
        out.print(WatchView(state, datetime.now(UTC)))
        return
    try:
        _keep_showing(state, api, LiveClient(url, key, LIVE_QUERY))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _keep_showing(state: WatchState, api: ApiClient, client: LiveClient) -> None:
    with _heard(client) as heard, Live(console=out, screen=True, auto_refresh=False) as live:
        while True:
            live.update(WatchView(state, datetime.now(UTC)), refresh=True)
            _take(state, heard)
            if state.must_read_anew and state.lost is None:
                state.begin(api.real_time(), api.overview(days=1))


def _take(state: WatchState, heard: Heard) -> None:
    """Take in what comes until the next picture."""
    until = time.monotonic() + REFRESH_S
    while (left_s := until - time.monotonic()) > 0:
        try:
            event = heard.get(timeout=left_s)
        except Empty:
            return
        if isinstance(event, Exception):
            raise event
        state.take(event)


@contextmanager
def _heard(client: LiveClient) -> Iterator[Heard]:
    heard: Heard = Queue(10_000)

    def listen() -> None:
        try:
            for event in client.events():
                heard.put(event)
        except Exception as error:  # told by the thread that shows
            heard.put(error)

    # It waits for the network when the program ends.
    threading.Thread(target=listen, daemon=True).start()
    yield heard


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
