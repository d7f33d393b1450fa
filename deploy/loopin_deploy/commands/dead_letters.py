"""``loopin dlq``: records that could not be processed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from msgspec import DecodeError
from rich.table import Column, Table

from loopin_deploy.commands.options import Data, kafka_settings
from loopin_deploy.errors import DeployError
from loopin_deploy.screen import err, out, printable, verbatim
from loopin_schemas.codec import decode
from loopin_schemas.dead_letter import DeadLetter
from loopin_schemas.timestamps import to_iso
from loopin_schemas.topics import DLQ
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.topic_admin import TopicAdmin

app = typer.Typer(help="Dead letters: records that could not be processed.", no_args_is_help=True)

WIDE = 120
"""Terminal columns from which on the list has room for the messages."""


class Found(NamedTuple):
    """A dead letter and its place on ``events.dlq``."""

    partition: int
    offset: int
    letter: DeadLetter

    @property
    def id(self) -> str:
        """As ``loopin dlq show`` takes it."""
        return f"{self.partition}:{self.offset}"


@app.command("list")
def list_letters(
    data: Data,
    reason: Annotated[str, typer.Option(help="Only this reason.")] = "",
    project: Annotated[str, typer.Option(help="Only this project.")] = "",
    limit: Annotated[int, typer.Option(help="At most this many, newest first.", min=1)] = 50,
) -> None:
    """List them, newest first."""
    found = asyncio.run(_letters(data, reason, project))
    wide = out.width >= WIDE
    table = Table(
        Column("id", no_wrap=True),
        "seen",
        "reason",
        "field",
        "project",
        "bytes",
        *(["message"] if wide else []),
    )
    for item in sorted(found, key=lambda item: item.letter.last_seen, reverse=True)[:limit]:
        letter = item.letter
        row = [
            item.id,
            to_iso(letter.last_seen)[:19],
            letter.reason,
            letter.field or "-",
            letter.project or "-",
            f"{letter.size:,}",
        ]
        table.add_row(*map(verbatim, [*row, *([letter.message] if wide else [])]))
    out.print(table)
    out.print(f"{len(found):,} dead letters; `loopin dlq show ID` shows one whole.", highlight=False)


@app.command()
def show(data: Data, id: Annotated[str, typer.Argument(help="As `loopin dlq list` shows it.")]) -> None:
    """Show one whole, with its original bytes."""
    partition, _, offset = id.partition(":")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise DeployError(
            "id_invalid", "id", f"{id} is no id: give partition:offset, as `loopin dlq list` does."
        )
    item = asyncio.run(_letter(data, int(partition), int(offset)))
    letter = item.letter
    rows = [
        ("id", item.id),
        ("reason", letter.reason),
        ("field", letter.field or "-"),
        ("step", letter.step),
        ("message", letter.message),
        ("project", letter.project or "-"),
        ("origin", f"{letter.topic} {letter.partition}:{letter.offset} (topic id {letter.topic_id})"),
        ("first seen", to_iso(letter.first_seen)),
        ("last seen", to_iso(letter.last_seen)),
        ("size", f"{letter.size:,} bytes{', cut' if letter.truncated else ''}"),
        ("sha256", letter.sha256),
        ("key", repr(letter.key)),
    ]
    for name, value in rows:
        out.print(f"{name:11}{printable(value)}", highlight=False, markup=False, soft_wrap=True)
    out.print()
    body = letter.body.decode("utf-8", "backslashreplace")
    out.print(printable(body, keep="\n"), highlight=False, markup=False, soft_wrap=True)


async def _letters(data: Path, reason: str, project: str) -> list[Found]:
    return [
        item
        async for item in _read(data)
        if reason in ("", item.letter.reason) and project in ("", item.letter.project)
    ]


async def _letter(data: Path, partition: int, offset: int) -> Found:
    # Left early, a generator must be closed by hand, or the event loop ends before its consumer.
    async with aclosing(_read(data, partition, offset)) as letters:
        async for item in letters:
            return item
    raise DeployError("not_found", "id", f"There is no dead letter {partition}:{offset} (any more).")


async def _read(
    data: Path, partition: int | None = None, offset: int | None = None
) -> AsyncGenerator[Found, None]:
    settings = kafka_settings(data)
    info = (await asyncio.to_thread(TopicAdmin(settings).describe)).get(DLQ.name)
    numbers = range(info.partitions) if info else range(0)
    wanted = [number for number in numbers if partition in (None, number)]
    if not wanted:
        return
    topic = settings.topic(DLQ.name)
    async with Reader(settings.kafka_bootstrap, [(topic, number) for number in wanted]) as reader:
        for number in wanted:
            # Kafka's own type of an offset ends at 2**63, and a fetch beyond the log's end waits.
            if offset is not None and offset >= (await reader.log(topic, number)).end:
                continue
            end = None if offset is None else offset + 1
            async for block in reader.blocks(topic, number, start=offset, end=end):
                for record in block:
                    try:
                        letter = decode(record.value or b"", DeadLetter)
                    except DecodeError:
                        err.print(f"{number}:{record.offset} is no dead letter of ours and is left out.")
                        continue
                    yield Found(number, record.offset, letter)
