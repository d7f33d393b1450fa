"""``loopin replay``: publish the events of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from loopin_deploy.commands.options import Data, kafka_settings
from loopin_deploy.commands.raw_topic import check_raw_topic
from loopin_deploy.errors import DeployError
from loopin_deploy.screen import err, out, printable
from loopin_producers import Loopin
from loopin_producers.replay import BadLine, Replay, Summary, load_mapping


def replay(
    data: Data,
    file: Annotated[Path, typer.Argument(help="CSV, NDJSON or Parquet, gzipped or not.")],
    project: Annotated[str, typer.Option(envvar="LOOPIN_PROJECT", help="Project that gets the events.")],
    map: Annotated[Path | None, typer.Option(help="TOML file: which column is what.")] = None,
    speed: Annotated[str, typer.Option(help="Times real time, or max.")] = "max",
    shift_to: Annotated[str, typer.Option(help="`now` shifts all times so that the last is now.")] = "",
    progress: Annotated[
        Path | None, typer.Option(help="File that keeps how far it is; a second run goes on from there.")
    ] = None,
) -> None:
    """Publish a file's events, in its order; bad lines are shown with their number and passed over."""
    if shift_to not in ("", "now"):
        raise DeployError("shift_invalid", "--shift-to", "Give --shift-to now, or leave it out.")
    settings = kafka_settings(data)
    check_raw_topic(settings)
    with (
        Loopin(settings.kafka_bootstrap, project, topic_prefix=settings.topic_prefix) as client,
        Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            console=err,
        ) as bar,
    ):
        task = bar.add_task(printable(file.name), total=None)

        def show(done: Summary) -> None:
            bar.update(task, completed=done.published + done.bad + done.skipped, total=done.rows)

        def show_bad(line: BadLine) -> None:
            text = f"line {line.line}: {printable(line.reason)}"
            err.print(text, highlight=False, markup=False, soft_wrap=True)

        summary = Replay(
            client,
            file,
            load_mapping(map) if map else None,
            speed=_speed(speed),
            shift_to="now" if shift_to else None,
            progress_file=progress,
            on_progress=show,
            on_bad_line=show_bad,
        ).run()
    out.print(
        f"{summary.published:,} published, {summary.bad:,} bad lines, {summary.skipped:,} done before, "
        f"{summary.unacknowledged:,} not acknowledged, {summary.seconds:.1f} s.",
        highlight=False,
    )
    if summary.problem:
        raise DeployError("replay_ended", None, summary.problem)


def _speed(text: str) -> float:
    try:
        return float("inf") if text == "max" else float(text)
    except ValueError as error:
        raise DeployError("speed_invalid", "--speed", "Give --speed a number above 0, or max.") from error
