"""``loopin kafka``: the local broker by itself."""

from __future__ import annotations

from typing import Annotated

import typer

from loopin_deploy.commands.options import Data
from loopin_deploy.data_folder import DataFolder, holder
from loopin_deploy.errors import DeployError, cannot_write
from loopin_deploy.kafka import DEFAULT_PORT, LocalKafka
from loopin_deploy.screen import out, printable

app = typer.Typer(help="The local Kafka of a data folder.", no_args_is_help=True)


@app.command()
def start(
    data: Data,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = DEFAULT_PORT,
) -> None:
    """Start it, and leave it running."""
    folder = DataFolder(data)
    try:
        folder.kafka.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise cannot_write(folder.kafka, error) from error
    status = LocalKafka(folder.kafka, port=port, detached=True).start()
    out.print(f"Kafka answers at {status.bootstrap} (process {status.pid}).", highlight=False)


@app.command()
def stop(data: Data) -> None:
    """Stop it."""
    if (pid := holder(data)) is not None:
        raise DeployError(
            "data_folder_in_use", str(data), f"`loopin up` runs here as process {pid}: use `loopin down`."
        )
    stopped = LocalKafka(DataFolder(data).kafka).stop()
    out.print("Kafka stopped." if stopped else "Kafka was not running.")


@app.command()
def status(data: Data) -> None:
    """Say whether it runs; exit code 1 if it does not answer."""
    found = LocalKafka(DataFolder(data).kafka).status()
    if not found.running:
        out.print("Kafka is not running.")
    elif not found.ready:
        out.print(f"Kafka runs as process {found.pid} but does not answer.", highlight=False)
    else:
        out.print(f"Kafka answers at {found.bootstrap} (process {found.pid}).", highlight=False)
    if not found.ready:
        raise typer.Exit(1)


@app.command()
def logs(data: Data, lines: Annotated[int, typer.Option(help="How many.", min=1)] = 50) -> None:
    """Show the end of its log."""
    for line in LocalKafka(DataFolder(data).kafka).logs(lines):
        out.print(printable(line, keep="\t"), highlight=False, markup=False, soft_wrap=True)
