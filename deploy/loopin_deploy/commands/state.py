"""``loopin state``: what the workers derive from the events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from loopin_deploy.commands.options import Data, kafka_settings
from loopin_deploy.data_folder import open_data_folder
from loopin_deploy.errors import DeployError
from loopin_deploy.logs import configure_logs
from loopin_deploy.screen import err, out, printable
from loopin_schemas.timestamps import to_iso
from loopin_schemas.topics import ENRICHED, TOPICS
from loopin_sinks.catch_up import catch_up
from loopin_sinks.migrate import migrate
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store, StoreSettings, open_store
from loopin_sinks.truth import StoredTruth
from loopin_streams.kafka.config_log import read_config
from loopin_streams.kafka.errors import Fenced
from loopin_streams.kafka.topic_admin import TopicAdmin, TopicInfo
from loopin_streams.projects.project import Projects
from loopin_streams.rebuild.enrich import Rebuilt
from loopin_streams.rebuild.rebuild import MergePreview, Preview, Rebuild, Scope
from loopin_streams.rebuild.refused import RebuildRefused
from loopin_streams.rebuild.train import prepare_train, rebuild_train
from loopin_streams.settings import StreamSettings
from loopin_streams.worker import check_partitions

app = typer.Typer(help="What the workers derive from the events: profiles and windows.", no_args_is_help=True)

PROJECTS_SHOWN = 10


@app.callback()
def state() -> None:
    """Nothing: a single command would otherwise lose its name."""


@app.command()
def rebuild(
    data: Data,
    job: Annotated[
        Scope, typer.Argument(help="enrich, and with it the merge; merge alone; identity; or train.")
    ] = "enrich",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Go on without records that nobody has absorbed.")
    ] = False,
) -> None:
    """Make it new: history from the stored events, the rest from events.raw, the models from examples.

    No worker may run meanwhile.

    On one machine: `loopin down`, `loopin kafka start`, this, `loopin kafka stop`, `loopin up`.
    """
    configure_logs(logging.WARNING)
    store_settings = StoreSettings(data_dir=data)
    # The embedded engine is one process's: nobody may start it meanwhile.
    with open_data_folder(data) if store_settings.embedded else nullcontext():
        try:
            asyncio.run(_rebuild(data, store_settings, job, yes, accept_loss))
        except RebuildRefused as error:
            raise DeployError(error.code, None, str(error)) from error
        except Fenced as error:
            raise DeployError(
                "rebuild_fenced",
                None,
                "A worker was started meanwhile, and refuses now to open what is half rebuilt: stop it, and "
                "run this again.",
            ) from error


async def _rebuild(
    data: Path, store_settings: StoreSettings, job: Scope, yes: bool, accept_loss: bool
) -> None:
    settings = StreamSettings(kafka_bootstrap=kafka_settings(data).kafka_bootstrap, data_dir=data)
    topics = await asyncio.to_thread(_topics, settings)
    if job == "train":
        # Needs no stored event.
        await _rebuild_train(settings, {name: info.id for name, info in topics.items()}, yes)
        return
    async with opened_store(store_settings) as store:
        work = Rebuild(
            settings,
            StoredTruth(store),
            partitions=topics[ENRICHED.name].partitions,
            topic_ids={name: info.id for name, info in topics.items()},
        )
        if job == "merge":
            await _rebuild_merge(work, yes)
            return
        if job == "identity":
            await _rebuild_identity(work, yes)
            return

        async def caught_up() -> None:
            sink = SinkSettings(kafka_bootstrap=settings.kafka_bootstrap)
            configured = await read_config(sink)
            projects = Projects(sink.project, lambda: configured)
            await catch_up(sink, store, projects, topics[ENRICHED.name].id, work.partitions)

        with err.status("Seeing what there is ..."):
            preview = await work.prepare(caught_up, accept_loss=accept_loss)
        _announce(preview)
        _say_reach(preview.since)
        _ask(yes)
        with _progress(preview.events) as progress:
            rebuilt = await work.run(preview, progress)
        out.print(_table(rebuilt))


async def _rebuild_merge(work: Rebuild, yes: bool) -> None:
    with err.status("Seeing what there is ..."):
        preview = await work.prepare_merge()
    _ask(yes)
    await work.run_merge(preview)
    out.print(_merge_table(preview))


async def _rebuild_identity(work: Rebuild, yes: bool) -> None:
    with err.status("Seeing what there is ..."):
        await work.prepare_identity()
    _ask(yes)
    rebuilt = await work.run_identity()
    out.print(
        f"{rebuilt.persons:,} persons; requests are decided from offset {rebuilt.position:,} on.",
        highlight=False,
    )


async def _rebuild_train(settings: StreamSettings, topic_ids: Mapping[str, str], yes: bool) -> None:
    with err.status("Seeing what there is ..."):
        await prepare_train(settings)
    _ask(yes)
    with err.status("Learning ..."):
        rebuilt = await rebuild_train(settings, topic_ids)
    targets = "1 target" if rebuilt.targets == 1 else f"{rebuilt.targets:,} targets"
    out.print(
        f"{rebuilt.examples:,} examples of {targets} are learned; the next has offset {rebuilt.position:,}.",
        highlight=False,
    )


@asynccontextmanager
async def opened_store(settings: StoreSettings) -> AsyncIterator[Store]:
    """The store with its tables up to date, while the context lasts."""
    store = open_store(settings)
    try:
        await migrate(store, settings)
        yield store
    finally:
        await store.close()


def _topics(settings: StreamSettings) -> Mapping[str, TopicInfo]:
    found = TopicAdmin(settings).describe()
    missing = [settings.topic(topic.name) for topic in TOPICS if topic.name not in found]
    if missing:
        raise DeployError(
            "topic_missing",
            missing[0],
            f"Topics do not exist ({', '.join(missing)}): run `loopin topics apply`, and then this.",
        )
    check_partitions(settings, found)
    return found


def _announce(preview: Preview) -> None:
    lost = sum(plan.position.lost for plan in preview.plans)
    text = (
        f"Profiles, seen uuids and windows of {len(preview.plans)} partitions are made new from "
        f"{preview.events:,} stored events."
    )
    if lost:
        text += f" Up to {lost:,} records that nobody has absorbed are given up."
    err.print(text, highlight=False, soft_wrap=True)


def _ask(yes: bool) -> None:
    if not yes:
        typer.confirm("Workers refuse to start until this has ended. Begin?", abort=True, err=True)


@contextmanager
def _progress(events: int) -> Iterator[Callable[[int], None]]:
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
    ) as bar:
        task = bar.add_task("Events", total=events)
        yield lambda counted: bar.update(task, advance=counted)


def _table(rebuilt: Iterable[Rebuilt]) -> Table:
    table = Table()
    for name in ("partition", "from offset", "rows", "profiles", "open windows"):
        table.add_column(name, justify="right")
    for row in rebuilt:
        table.add_row(*(f"{number:,}" for number in row))
    return table


def _merge_table(preview: MergePreview) -> Table:
    table = Table()
    for name in ("partition", "open windows", "left to repairs"):
        table.add_column(name, justify="right")
    for partition, windows in preview.aligned.windows.items():
        gone = len(preview.aligned.gone(partition))
        table.add_row(str(partition), f"{len(windows) - gone:,}", f"{gone:,}")
    return table


def _say_reach(since: Mapping[str, int]) -> None:
    """Profiles know no more than the store keeps."""
    if not since:
        return
    shown = sorted(since.items(), key=lambda item: item[1])[:PROJECTS_SHOWN]
    reach = ", ".join(f"{printable(project)} {to_iso(oldest)[:10]}" for project, oldest in shown)
    more = f" and {len(since) - len(shown)} more projects" if len(since) > len(shown) else ""
    err.print(
        "Events are kept for a limited time: profiles will reach back no further than the oldest one, "
        f"{reach}{more}, and users without a stored event will have none.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
