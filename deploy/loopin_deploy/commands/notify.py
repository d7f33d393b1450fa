"""``loopin notify``: the channels that are told of alerts, and what they were told."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Column, Table

from loopin_deploy.commands.options import Data, kafka_settings
from loopin_deploy.errors import DeployError
from loopin_deploy.roles.notify import NO_CHANNELS, configured_channels
from loopin_deploy.screen import out, printable, verbatim
from loopin_schemas.codec import encode
from loopin_schemas.topics import NOTIFICATIONS
from loopin_sinks.notify.answer import Refused, Taken
from loopin_sinks.notify.channels_file import Channels, Route
from loopin_sinks.notify.journal import read_journal
from loopin_sinks.notify.settings import NotifySettings
from loopin_sinks.notify.trial import try_channel
from loopin_streams.kafka.topic_admin import TopicAdmin

app = typer.Typer(help="Channels that are told of alerts (docs/notifications.md).", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="CHANNEL", help="As the file LOOPIN_NOTIFY_FILE names it.")]


@app.command("channels")
def list_channels() -> None:
    """List the channels of the file and what they are told; addresses are not shown."""
    channels = _channels(NotifySettings())
    table = Table("channel", "kind", "told of", expand=True)
    for name, channel in channels.channels.items():
        routes = [_route(route) for route in channels.in_force if route.channel == name and route.enabled]
        table.add_row(name, channel.scheme, "\n".join(routes) or "nothing")
    out.print(table)


@app.command()
def test(channel: Name) -> None:
    """Send a channel a test message, past topic and routes, and say whether it took it."""
    settings = NotifySettings()
    answer = asyncio.run(try_channel(_channels(settings), channel, settings.notify_timeout_s))
    if not isinstance(answer, Taken):
        tried = "" if isinstance(answer, Refused) else " this time; an alert would be tried again"
        raise DeployError(
            "channel_failed",
            channel,
            f"The channel {channel} did not take the message{tried}: {printable(answer.reason)}.",
        )
    out.print(f"The channel {channel} took the message.", highlight=False, markup=False)


@app.command("log")
def show_log(
    data: Data,
    channel: Annotated[str, typer.Option(help="Only this one's.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most that are shown, the newest.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show what the channels were told, oldest first, and why not where they did not take it."""
    settings = kafka_settings(data)
    topic = settings.topic(NOTIFICATIONS.name)
    if NOTIFICATIONS.name not in TopicAdmin(settings).describe():
        raise DeployError(
            "topic_missing", topic, f"The topic {topic} does not exist: run `loopin topics apply`."
        )
    found = asyncio.run(read_journal(settings.kafka_bootstrap, topic))
    shown = [one for one in found if channel in ("", one.channel)][-limit:]
    if as_json:
        sys.stdout.write(encode(shown).decode() + "\n")
        return
    short = [Column(name, no_wrap=True) for name in ("time (UTC)", "channel", "event")]
    table = Table(*short, Column("alert", ratio=3, overflow="fold"), Column("outcome", ratio=2), expand=True)
    for one in shown:
        at = datetime.fromtimestamp(one.at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        outcome = one.outcome if one.attempts <= 1 else f"{one.outcome}, {one.attempts} attempts"
        why = f": {one.reason}" if one.reason else ""
        table.add_row(at, one.channel, one.event, verbatim(one.alert), verbatim(f"{outcome}{why}"))
    out.print(table)


def _channels(settings: NotifySettings) -> Channels:
    channels = configured_channels(settings)
    if channels is None:
        raise NO_CHANNELS
    return channels


def _route(route: Route) -> str:
    """What a route lets through, where that is not everything."""
    whole = Route(channel=route.channel)
    given = {
        name: value
        for name, value in route
        if name not in ("channel", "enabled") and value != getattr(whole, name)
    }
    if not given:
        return "every alert"
    return "; ".join(f"{name}: {_listed(value)}" for name, value in given.items())


def _listed(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {' or '.join(wanted)}" for name, wanted in value.items())
    return ", ".join(value) if isinstance(value, tuple) else str(value)
