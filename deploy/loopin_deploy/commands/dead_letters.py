"""``loopin dlq``: records that could not be processed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from heapq import nlargest
from time import time
from typing import Annotated

import typer
from rich.table import Column, Table

from loopin_deploy.commands.dead_letter_replay import replay
from loopin_deploy.commands.letter_ids import letter_id, not_found, say_unreadable
from loopin_deploy.commands.options import Data, kafka_settings
from loopin_deploy.commands.since import since_ms
from loopin_deploy.screen import out, printable, verbatim
from loopin_schemas.dead_letter import Replayed
from loopin_schemas.timestamps import to_iso
from loopin_streams.dead_letters.known import read_replayed
from loopin_streams.dead_letters.letters import Found, LetterId, Selection, read_letters
from loopin_streams.kafka.settings import KafkaSettings

app = typer.Typer(help="Dead letters: records that could not be processed.", no_args_is_help=True)
app.command()(replay)

WIDE = 120
"""Terminal columns from which on the list has room for the messages."""

ROOMY = 100
"""Terminal columns from which on it has room for a time in one line, and the sizes."""

SLACK = 5_000
"""Letters read before those that are not listed are let go of."""


@app.command("list")
def list_letters(
    data: Data,
    reason: Annotated[str, typer.Option(help="Only this reason.")] = "",
    project: Annotated[str, typer.Option(help="Only this project.")] = "",
    since: Annotated[str, typer.Option(help="Only those seen since: a time, or an age (2h, 3d).")] = "",
    limit: Annotated[int, typer.Option(help="At most this many, newest first.", min=1)] = 50,
) -> None:
    """List them, newest first."""
    selection = Selection(reason=reason, project=project, since=since_ms(since, int(time() * 1000)))
    number, newest, replays = asyncio.run(_newest(kafka_settings(data), selection, limit))
    wide, roomy = out.width >= WIDE, out.width >= ROOMY
    table = Table(
        Column("id", no_wrap=True),
        # The day above the time leaves room for what the other commands are told.
        Column("seen", max_width=None if roomy else 10),
        Column("reason", overflow="fold"),
        Column("field", overflow="fold"),
        Column("project", overflow="fold"),
        *([Column("bytes", justify="right")] if roomy else []),
        "replayed",
        *(["message"] if wide else []),
    )
    for found in newest:
        letter = found.letter
        row = [
            str(found.id),
            to_iso(letter.last_seen)[:19].replace("T", " "),
            letter.reason,
            letter.field or "-",
            letter.project or "-",
            *([f"{letter.size:,}"] if roomy else []),
            _when(replays.get(letter.place), wide),
        ]
        table.add_row(*map(verbatim, [*row, *([letter.message] if wide else [])]))
    out.print(table)
    out.print(f"{number:,} dead letters; `loopin dlq show ID` shows one whole.", highlight=False)


@app.command()
def show(data: Data, id: Annotated[str, typer.Argument(help="As `loopin dlq list` shows it.")]) -> None:
    """Show one whole, with its original bytes."""
    found, replayed = asyncio.run(_one(kafka_settings(data), letter_id(id)))
    letter = found.letter
    rows = [
        ("id", str(found.id)),
        ("reason", letter.reason),
        ("field", letter.field or "-"),
        ("step", letter.step),
        ("message", letter.message),
        ("project", letter.project or "-"),
        ("origin", f"{letter.topic} {letter.partition}:{letter.offset} (topic id {letter.topic_id})"),
        ("first seen", to_iso(letter.first_seen)),
        ("last seen", to_iso(letter.last_seen)),
        ("replayed", _replay_of(replayed)),
        ("size", f"{letter.size:,} bytes{', cut' if letter.truncated else ''}"),
        ("sha256", letter.sha256),
        ("key", repr(letter.key)),
    ]
    for name, value in rows:
        out.print(f"{name:11}{printable(value)}", highlight=False, markup=False, soft_wrap=True)
    out.print()
    body = letter.body.decode("utf-8", "backslashreplace")
    out.print(printable(body, keep="\n"), highlight=False, markup=False, soft_wrap=True)


def _when(replayed: Replayed | None, wide: bool) -> str:
    if replayed is None:
        return "-"
    return to_iso(replayed.replayed_at)[:19] if wide else "yes"


def _replay_of(replayed: Replayed | None) -> str:
    if replayed is None:
        return "-"
    by = f", by {replayed.fix}" if replayed.fix else ", as it was"
    return f"{to_iso(replayed.replayed_at)} as {replayed.uuid or 'an event without a valid uuid'}{by}"


async def _newest(
    settings: KafkaSettings, selection: Selection, limit: int
) -> tuple[int, list[Found], dict[str, Replayed]]:
    """How many there are, the newest of them, and which of those were replayed."""
    number = 0
    newest: list[Found] = []
    async with aclosing(read_letters(settings, selection, say_unreadable)) as letters:
        async for found in letters:
            number += 1
            newest.append(found)
            if len(newest) >= limit + SLACK:
                newest = nlargest(limit, newest, key=lambda found: found.letter.last_seen)
    newest = nlargest(limit, newest, key=lambda found: found.letter.last_seen)
    return number, newest, await _replays(settings, newest)


async def _one(settings: KafkaSettings, at: LetterId) -> tuple[Found, Replayed | None]:
    async with aclosing(read_letters(settings, Selection(ids=(at,)), say_unreadable)) as letters:
        found = [found async for found in letters]
    if not found:
        raise not_found(at)
    return found[0], (await _replays(settings, found)).get(found[0].letter.place)


async def _replays(settings: KafkaSettings, letters: Sequence[Found]) -> dict[str, Replayed]:
    places = {found.letter.place for found in letters}
    return {replay.place: replay async for replay in read_replayed(settings) if replay.place in places}
