"""``loopin status``: what the roles are doing, once or live."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.live import Live

from loopin_deploy.commands.options import Data, kafka_settings
from loopin_deploy.consumers import watch_from_broker
from loopin_deploy.data_folder import DataFolder, holder
from loopin_deploy.errors import DeployError
from loopin_deploy.own_secrets import PERSONAL_SCOPES, load_or_create_secrets
from loopin_deploy.screen import out
from loopin_deploy.stack_state import read_state
from loopin_deploy.status.snapshot import Snapshot, compared
from loopin_deploy.status.sources import Address, snapshot_from_broker, snapshot_of
from loopin_deploy.status.table import StatusView
from loopin_schemas.codec import encode
from loopin_streams.kafka.logs import Logs

REFRESH_S: Final = 1.0

Ask = Callable[[], Awaitable[Snapshot]]


def status(
    data: Data,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh every second until Ctrl-C.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object instead of the table.")
    ] = False,
    url: Annotated[
        list[str] | None,
        typer.Option(help="Address of a role, e.g. http://10.0.0.5:8001; may be repeated."),
    ] = None,
    key: Annotated[
        str, typer.Option(envvar="LOOPIN_KEY", help="Key with the scope read, for the metrics of an API.")
    ] = "",
    from_broker: Annotated[
        bool, typer.Option("--from-broker", help="Only the lag of each consumer, as the broker knows it.")
    ] = False,
) -> None:
    """Show what the roles are doing: those of the system on the data folder, or those at the URLs.

    It takes a second, to measure rates.
    """
    try:
        asyncio.run(_status(data, url or [], key, watch=watch, as_json=as_json, from_broker=from_broker))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _status(
    data: Path, urls: list[str], key: str, *, watch: bool, as_json: bool, from_broker: bool
) -> None:
    with ExitStack() as cleanup:
        ask = _broker(data, cleanup) if from_broker else _roles(data, urls, key)
        last = await ask()
        if not any(role.answers for role in last.roles):
            said = " ".join(role.reason or "" for role in last.roles)
            raise DeployError("nothing_answers", "--url", said)
        if watch:
            await _keep_showing(ask, last, as_json)
        else:
            _show(await _next(ask, last), as_json)


async def _keep_showing(ask: Ask, last: Snapshot, as_json: bool) -> None:
    if as_json:
        while True:
            last = await _next(ask, last)
            _show(last, as_json)
    with Live(StatusView(last), console=out, auto_refresh=False) as live:
        while True:
            last = await _next(ask, last)
            live.update(StatusView(last), refresh=True)


async def _next(ask: Ask, last: Snapshot) -> Snapshot:
    await asyncio.sleep(REFRESH_S)
    return compared(await ask(), last)


def _show(snapshot: Snapshot, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(encode(snapshot).decode() + "\n")
        sys.stdout.flush()
    else:
        out.print(StatusView(snapshot))


def _broker(data: Path, cleanup: ExitStack) -> Ask:
    settings = kafka_settings(data)
    logs = Logs(settings.kafka_bootstrap)
    cleanup.callback(logs.close)
    found = watch_from_broker(settings, logs)
    return lambda: snapshot_from_broker(found)


def _roles(data: Path, urls: list[str], key: str) -> Ask:
    addresses = [Address(_checked(url)) for url in urls]
    if not addresses:
        addresses, key = _own(data), key or _own_key(data)
    return lambda: asyncio.to_thread(snapshot_of, addresses, key)


def _own(data: Path) -> list[Address]:
    """Where the roles of the system on the data folder listen."""
    state = read_state(data)
    if state is not None:
        return [Address(url, role) for role, url in state.urls.items()]
    pid = holder(data)
    if pid is not None:
        raise DeployError(
            "system_starting", str(data), f"Process {pid} is starting the system: ask again in a moment."
        )
    raise DeployError(
        "nothing_runs",
        str(data),
        f"Nothing runs on the data folder {data}: start it with `loopin up`, or name roles with --url.",
    )


def _own_key(data: Path) -> str:
    keys = load_or_create_secrets(DataFolder(data).secrets, ()).keys
    return next((key.key for key in keys if key.scopes == PERSONAL_SCOPES), "")


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise DeployError("url_invalid", "--url", f"{url} is no address: give one like http://10.0.0.5:8001.")
    return url.rstrip("/")
