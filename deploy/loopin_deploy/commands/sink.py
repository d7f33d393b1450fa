"""``loopin sink``: what the sinks cannot decide by themselves."""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from loopin_deploy.commands.options import Data, kafka_settings
from loopin_deploy.commands.state import opened_store
from loopin_deploy.data_folder import open_data_folder
from loopin_deploy.errors import DeployError
from loopin_deploy.logs import configure_logs
from loopin_deploy.screen import err, out, verbatim
from loopin_schemas.topics import ENRICHED
from loopin_sinks.accept_loss import SinksRun, accept_loss, refusals
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import StoreSettings
from loopin_streams.kafka.topic_admin import TopicAdmin, TopicInfo

app = typer.Typer(help="What the sinks cannot decide by themselves.", no_args_is_help=True)


@app.callback()
def sink() -> None:
    """Nothing: a single command would otherwise lose its name."""


@app.command("accept-loss")
def accept(data: Data, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Go on without the records that were lost before a sink stored them. No sink may run meanwhile.

    On one machine: `loopin down`, `loopin kafka start`, this, `loopin kafka stop`, `loopin up`.
    """
    configure_logs(logging.WARNING)
    store_settings = StoreSettings(data_dir=data)
    # The embedded engine is one process's: nobody may start it meanwhile.
    with open_data_folder(data) if store_settings.embedded else nullcontext():
        try:
            asyncio.run(_accept(data, store_settings, yes))
        except SinksRun as error:
            raise DeployError(error.code, None, str(error)) from error


async def _accept(data: Path, store_settings: StoreSettings, yes: bool) -> None:
    settings = SinkSettings(kafka_bootstrap=kafka_settings(data).kafka_bootstrap)
    topic = await asyncio.to_thread(_enriched, settings)
    async with opened_store(store_settings) as store:
        refused = await refusals(settings, store, topic.id, topic.partitions)
        if not refused:
            out.print("The sinks refuse no partition: there is nothing to accept.")
            return
        for number, reason in refused.items():
            err.print(verbatim(f"Partition {number}: {reason}"), soft_wrap=True)
        if not yes:
            typer.confirm("Go on without what was lost there?", abort=True, err=True)
        for one in await accept_loss(settings, store, topic.id, topic.partitions):
            out.print(f"Partition {one.partition} goes on at offset {one.position}.", highlight=False)


def _enriched(settings: SinkSettings) -> TopicInfo:
    found = TopicAdmin(settings).describe().get(ENRICHED.name)
    if found is None:
        name = settings.topic(ENRICHED.name)
        raise DeployError(
            "topic_missing", name, f"The topic {name} does not exist: run `loopin topics apply`."
        )
    return found
