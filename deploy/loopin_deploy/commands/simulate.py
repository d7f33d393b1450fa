"""``loopin simulate``: events of a world whose truth is known."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from loopin_deploy.commands.options import Data, kafka_settings
from loopin_deploy.commands.raw_topic import check_raw_topic
from loopin_deploy.errors import DeployError
from loopin_deploy.screen import err, out, verbatim
from loopin_producers import Loopin
from loopin_producers.simulator import (
    DAY_MS,
    STDOUT,
    FileOutput,
    KafkaOutput,
    Output,
    Pace,
    Parameters,
    Simulation,
    Summary,
    Truth,
    TruthFiles,
    opened,
    resumed,
)
from loopin_schemas.validation import MAX_DISTANCE_MS, check_project


class Run(NamedTuple):
    """What to do: a world, up to when (epoch ms, None for ever), and what is published of it already."""

    world: Parameters
    end_ms: int | None
    skipped: int = 0


def simulate(
    data: Data,
    project: Annotated[str, typer.Option(envvar="LOOPIN_PROJECT", help="Project that gets the events.")],
    users: Annotated[int, typer.Option(help="Users who have signed up at the end.")] = 1000,
    days: Annotated[int, typer.Option(help="Days of history.")] = 90,
    seed: Annotated[int, typer.Option(help="The same seed and start give the same events.")] = 14,
    start: Annotated[str, typer.Option(help="First day, as 2026-01-31.")] = "",
    end: Annotated[str, typer.Option(help="`now`: history that ends now (without --start, the rule).")] = "",
    rate: Annotated[float | None, typer.Option(help="Most events a second.")] = None,
    speed: Annotated[str, typer.Option(help="Times real time, or max.")] = "max",
    out: Annotated[
        Path | None, typer.Option(help="File for the events instead of Kafka: .ndjson, .ndjson.gz, or -.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Folder for the truth; beside --out it is `truth`, else none.")
    ] = None,
    live: Annotated[bool, typer.Option(help="Go on after the history, at the wall clock's time.")] = False,
    progress: Annotated[
        Path | None, typer.Option(help="File that keeps how far it is; a second run goes on from there.")
    ] = None,
) -> None:
    """Publish a simulated community platform's events, with the truth beside them (docs/simulator.md)."""
    check_project(project)
    first = _first_day(start, end, days)
    world = Parameters(project=project, users=users, days=days, seed=seed, start=first)
    world.check()
    run = _planned(world, bool(start), live, progress)
    pace = Pace(rate=math.inf if rate is None else rate, speed=_speed(speed), live=live)
    with ExitStack() as stack:
        if out is None:
            output: Output = stack.enter_context(_published(data, run))
        elif progress is not None:
            raise DeployError("progress_of_file", "--progress", "Leave --progress out: a file begins anew.")
        else:
            output = FileOutput(stack.enter_context(opened(out)))
        folder = truth or (out.parent / "truth" if out and out != STDOUT else None)
        files = stack.enter_context(TruthFiles(folder, run.world)) if folder else None
        summary = _shown(run, output, pace, files, progress)
    _print(run, summary, folder, to_stderr=out == STDOUT)
    if summary.problem:
        raise DeployError("simulation_ended", None, summary.problem)
    if not summary.complete and not live:
        raise typer.Exit(130)


def _first_day(start: str, end: str, days: int) -> date:
    if end not in ("", "now") or (start and end):
        raise DeployError("end_invalid", "--end", "Give --end now, or --start DATE, or neither.")
    if not start:
        # A number of days that cannot be is refused with the world; it must not overflow here.
        return datetime.now(UTC).date() - timedelta(days=min(max(days, 0), 10_000))
    try:
        return date.fromisoformat(start)
    except ValueError as error:
        raise DeployError("start_invalid", "--start", "Give --start a day such as 2026-01-31.") from error


def _planned(world: Parameters, fixed: bool, live: bool, progress: Path | None) -> Run:
    skipped = 0
    if progress is not None:
        earlier = resumed(progress, world, any_start=not fixed)
        world, skipped = earlier.world, earlier.acknowledged
    now_ms = time.time_ns() // 1_000_000
    if live:
        if world.start_ms > now_ms:
            raise DeployError(
                "start_in_future", "--start", "Give --start a day in the past: --live begins there."
            )
        return Run(world, None, skipped)
    return Run(world, world.start_ms + world.days * DAY_MS if fixed else now_ms, skipped)


@contextmanager
def _published(data: Path, run: Run) -> Iterator[Output]:
    now_ms = time.time_ns() // 1_000_000
    if (run.end_ms or 0) > now_ms:
        reason = (
            "Give an earlier --start or fewer --days: events of the future can only go to a file (--out)."
        )
        raise DeployError("end_in_future", "--days", reason)
    if run.world.start_ms < now_ms - MAX_DISTANCE_MS:
        raise DeployError(
            "start_too_old", "--start", "Give a later --start: older than five years is refused."
        )
    settings = kafka_settings(data)
    check_raw_topic(settings)
    project = run.world.project
    with Loopin(settings.kafka_bootstrap, project, topic_prefix=settings.topic_prefix) as client:
        yield KafkaOutput(client)


def _shown(run: Run, output: Output, pace: Pace, truth: Truth | None, progress: Path | None) -> Summary:
    """Run with a bar of days; Ctrl-C lets the run end in good order."""
    start_ms = run.world.start_ms
    total = None if run.end_ms is None else math.ceil((run.end_ms - start_ms) / DAY_MS)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days, {task.fields[events]:,} events"),
        console=err,
    ) as bar:
        task = bar.add_task("Simulating", total=total, events=0)

        def show(done: Summary) -> None:
            passed = total if done.complete else (done.reached_ms - start_ms) // DAY_MS
            bar.update(task, completed=passed, events=done.published)

        simulation = Simulation(
            run.world,
            output,
            end_ms=run.end_ms,
            pace=pace,
            truth=truth,
            skipped=run.skipped,
            progress_file=progress,
            on_progress=show,
        )
        with _ended_by_signals(simulation):
            return simulation.run()


@contextmanager
def _ended_by_signals(simulation: Simulation) -> Iterator[None]:
    def stop(*_: Any) -> None:
        simulation.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(run: Run, done: Summary, truth: Path | None, *, to_stderr: bool) -> None:
    table = Table(title="What was simulated", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    rows = [
        ("project", run.world.project),
        ("world", f"{run.world.users:,} users, {run.world.days} days, seed {run.world.seed}"),
        ("from", _moment(run.world.start_ms)),
        ("to", _moment(done.reached_ms)),
        ("events", f"{done.published:,}"),
        ("done before", f"{done.skipped:,}"),
        ("not acknowledged", f"{done.unacknowledged:,}"),
        ("events/s", f"{done.published / max(done.seconds, 0.001):,.0f}"),
        ("truth", str(truth) if truth else "-"),
    ]
    for name, value in rows:
        table.add_row(name, verbatim(value))
    (err if to_stderr else out).print(table)


def _moment(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat(sep=" ", timespec="seconds")


def _speed(text: str) -> float:
    try:
        return math.inf if text == "max" else float(text)
    except ValueError as error:
        raise DeployError("speed_invalid", "--speed", "Give --speed a number above 0, or max.") from error
