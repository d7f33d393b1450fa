"""``loopin up``, ``down``, ``demo``: the whole system on this machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import psutil
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from loopin_deploy.commands.options import Data
from loopin_deploy.data_folder import DataFolder, holder, open_data_folder
from loopin_deploy.demo import COMMUNITY, RETENTION_DAYS, SHOP, Demo, Result, Sample
from loopin_deploy.errors import DeployError
from loopin_deploy.kafka import DEFAULT_PORT
from loopin_deploy.live_demo.show import Notices, going_on, show_view, tell_lines
from loopin_deploy.screen import err, out, printable
from loopin_deploy.stack import Plan, Ports, Stack, running_stack
from loopin_deploy.supervisor import cancelled_by_sigterm
from loopin_deploy.system_screen import samples_table, show_addresses, summary_table
from loopin_schemas.codec import encode

STOP_TIMEOUT_S = 60.0

T = TypeVar("T")

KafkaPort = Annotated[
    int, typer.Option(help="Port of the local Kafka; 0 takes a free one.", min=0, max=65535)
]
ApiPort = Annotated[int, typer.Option(help="Port of the API; 0 takes a free one.", min=0, max=65535)]
WorkerPort = Annotated[
    int, typer.Option(help="Port of the worker's metrics; 0 takes a free one.", min=0, max=65535)
]


def up(
    data: Data,
    kafka_port: KafkaPort = DEFAULT_PORT,
    api_port: ApiPort = 8000,
    worker_port: WorkerPort = 8001,
    project: Annotated[list[str] | None, typer.Option(help="Projects to make keys for.")] = None,
    verbose: Annotated[bool, typer.Option(help="Show the processes' log lines.")] = False,
) -> None:
    """Run everything on this machine until Ctrl-C: Kafka, a stream worker, store and API."""
    projects = tuple(project or ["default"])
    with open_data_folder(data) as folder:
        plan = Plan(folder, Ports(kafka_port, api_port, worker_port), projects)
        _run(_stay_up(plan, verbose))


def down(data: Data) -> None:
    """Stop the system that runs on a data folder."""
    pid = holder(data)
    if pid is None:
        out.print("Nothing runs on this data folder.")
        return
    try:
        os.kill(pid, signal.SIGTERM)
        psutil.Process(pid).wait(STOP_TIMEOUT_S)
    except (ProcessLookupError, psutil.NoSuchProcess):
        pass
    except PermissionError as error:
        raise DeployError(
            "not_allowed", None, f"Process {pid} belongs to another user: run `loopin down` as that user."
        ) from error
    except psutil.TimeoutExpired as error:
        raise DeployError(
            "not_stopped", None, f"Process {pid} has not stopped within {STOP_TIMEOUT_S:.0f} s: see its logs."
        ) from error
    out.print("Stopped.")


def demo(
    data: Data,
    once: Annotated[
        bool, typer.Option(help="Use a throw-away folder and free ports, print the summary as JSON, and end.")
    ] = False,
    kafka_port: KafkaPort = DEFAULT_PORT,
    api_port: ApiPort = 8000,
    worker_port: WorkerPort = 8001,
    watch: Annotated[
        bool | None,
        typer.Option(
            help="Go on with live events and show them, alerts among them; by default on a terminal only.",
            show_default=False,
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option(help="Show the processes' log lines; no live view then.")] = False,
) -> None:
    """Replay a real shop's clickstream, simulate a community, take both through the system, and show it.

    Then, on a terminal, the community goes on live, and an incident shows how alerts come and go.
    """
    if not once:
        live = out.is_terminal if watch is None else watch
        with open_data_folder(data) as folder:
            _run(
                _demo(_plan(folder, Ports(kafka_port, api_port, worker_port)), verbose, stay=True, live=live)
            )
        return
    with _throw_away_folder() as path, open_data_folder(path) as folder:
        result = _run(_demo(_plan(folder, Ports(0, 0, 0)), verbose, stay=False))
    if result is None:
        raise typer.Exit(130)
    sys.stdout.write(encode(result).decode() + "\n")
    if not result.adds_up:
        raise typer.Exit(1)


def _plan(folder: DataFolder, ports: Ports) -> Plan:
    # What is published is added up: nothing else must come in.
    return Plan(folder, ports, (SHOP, COMMUNITY), RETENTION_DAYS, host_metrics=False)


async def _stay_up(plan: Plan, verbose: bool) -> None:
    with cancelled_by_sigterm():
        async with _started(plan, verbose, Notices(err)) as stack:
            show_addresses(stack, plan.projects)
            out.print("\nRunning until Ctrl-C.")
            await stack.supervisor.wait()


async def _demo(plan: Plan, verbose: bool, *, stay: bool, live: bool = False) -> Result:
    notices = Notices(err)
    with cancelled_by_sigterm():
        async with _started(plan, verbose, notices) as stack:
            result, samples = await _replayed(stack, plan.folder)
            show = out if stay else err
            show.print(summary_table(result))
            show.print(samples_table(samples))
            if not result.adds_up:
                show.print(
                    "The numbers do not add up: published is not stored + dead-lettered + dropped.",
                    style="red",
                )
            if stay:
                show_addresses(stack, plan.projects)
                if live:
                    await _live(stack, plan.folder, notices, in_view=out.is_terminal and not verbose)
                out.print("\nRunning until Ctrl-C.")
                await stack.supervisor.wait()
            return result


async def _live(stack: Stack, folder: DataFolder, notices: Notices, *, in_view: bool) -> None:
    """The community's life as it goes on, until Ctrl-C."""
    with going_on(stack, COMMUNITY, folder.progress) as (watching, demo):
        shown = show_view(watching, demo, out, notices) if in_view else tell_lines(watching, demo, out)
        await _unless_given_up(stack, shown)


@asynccontextmanager
async def _started(plan: Plan, verbose: bool, notices: Notices) -> AsyncIterator[Stack]:
    def show_line(name: str, line: str) -> None:
        if verbose:
            err.print(f"{name:7} {printable(line)}", highlight=False, markup=False, soft_wrap=True)

    started = time.monotonic()
    async with AsyncExitStack() as cleanup:
        with err.status("Starting Kafka, store and worker ..."):
            stack = await cleanup.enter_async_context(
                running_stack(plan, on_line=show_line, on_notice=notices.tell)
            )
        seconds = time.monotonic() - started
        err.print(f"Up in {seconds:.1f} s, data in {plan.folder.path}", highlight=False, soft_wrap=True)
        yield stack


async def _replayed(stack: Stack, folder: DataFolder) -> tuple[Result, list[Sample]]:
    """Run the demo, unless a process of the system is given up meanwhile."""
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=err
    ) as progress:
        replay = progress.add_task("Replaying a shop's clickstream", total=None)
        store = progress.add_task("Stored, both projects", total=None)
        demo = Demo(
            stack,
            folder.progress,
            on_replayed=lambda done: progress.update(
                replay, completed=done.published + done.skipped, total=done.rows
            ),
            on_stored=lambda stored, expected: progress.update(store, completed=stored, total=expected),
        )
        try:
            result = await _unless_given_up(stack, demo.run())
        finally:
            demo.stop()
    return result, await asyncio.to_thread(demo.samples)


async def _unless_given_up(stack: Stack, work: Coroutine[Any, Any, T]) -> T:
    """Do some work over a running system; it ends with an error when a process of the system is given up."""
    given_up, working = asyncio.create_task(stack.supervisor.wait()), asyncio.create_task(work)
    try:
        await asyncio.wait({given_up, working}, return_when=asyncio.FIRST_COMPLETED)
        if given_up.done():
            given_up.result()
        return await working
    finally:
        given_up.cancel()
        working.cancel()
        await asyncio.gather(given_up, working, return_exceptions=True)


@contextmanager
def _throw_away_folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="loopin-demo-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _run(work: Coroutine[Any, Any, T]) -> T | None:
    """Run to the end; None after Ctrl-C or SIGTERM, when everything that was started has been stopped."""
    try:
        return asyncio.run(work)
    except (KeyboardInterrupt, asyncio.CancelledError):
        err.print("Stopped.")
        return None
