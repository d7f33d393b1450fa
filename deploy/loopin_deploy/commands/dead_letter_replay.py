"""``loopin dlq replay``: repair dead letters and publish their events again."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from loopin_deploy.commands.letter_ids import letter_id, not_found, say_unreadable
from loopin_deploy.commands.options import Data, kafka_settings
from loopin_deploy.commands.since import since_ms
from loopin_deploy.editor import edited
from loopin_deploy.errors import DeployError
from loopin_deploy.screen import err, out, printable, verbatim
from loopin_schemas.dead_letter import DeadLetter
from loopin_schemas.errors import InvalidEvent
from loopin_schemas.topics import RAW, REPLAYED
from loopin_streams.dead_letters.fix_file import load_fix
from loopin_streams.dead_letters.letters import Found, Selection, read_letters
from loopin_streams.dead_letters.repair import FixFailed, Left, Ready, Repair, Repaired, json_object, prepare
from loopin_streams.dead_letters.replay import Replay, Summary
from loopin_streams.kafka.errors import Fenced
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin, TopicInfo

SENTENCES = 20
"""Letters that are left are explained one by one up to here, so that a million of them flood no terminal."""


def replay(
    data: Data,
    ids: Annotated[
        list[str] | None, typer.Argument(help="As `loopin dlq list` shows them; without any, all.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Only this reason.")] = "",
    project: Annotated[str, typer.Option(help="Only this project.")] = "",
    since: Annotated[str, typer.Option(help="Only those seen since: a time, or an age (2h, 3d).")] = "",
    limit: Annotated[
        int | None, typer.Option(help="At most this many that were not replayed yet.", min=1)
    ] = None,
    fix: Annotated[
        Path | None,
        typer.Option(help="Python file with fix(event, letter), which returns the event or None."),
    ] = None,
    edit: Annotated[bool, typer.Option("--edit", help="Repair each by hand in $VISUAL or $EDITOR.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Publish, too, what will be dead-lettered again.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
) -> None:
    """Repair letters and publish their events again; each counts once, however often it is replayed.

    Without --fix or --edit an event is published as it was, for a validator that was at fault.

    The exit code is 1 if any of them is left.
    """
    if fix is not None and edit:
        raise DeployError("fix_and_edit", "--edit", "Give --fix or --edit, not both.")
    repair = _load(fix) if fix is not None else None
    settings = kafka_settings(data)
    plan = Replay(
        settings,
        _topics(settings),
        Selection(
            ids=tuple(map(letter_id, ids)) if ids else None,
            reason=reason,
            project=project,
            since=since_ms(since, _now_ms()),
        ),
        limit=limit,
        fix=fix.name if fix is not None else "edit" if edit else "",
        force=force,
        watch=_Screen(dry_run).tell,
        unreadable=say_unreadable,
    )
    if repair is not None:
        plan = replace(plan, repair=repair)
    asyncio.run(_check_ids(settings, plan.selection))
    if edit:
        plan = _edited(plan)
    try:
        asyncio.run(plan.preview() if dry_run else plan.run())
    except Fenced as error:
        raise DeployError(
            "replay_fenced",
            None,
            "Another `loopin dlq replay` was started, or the broker gave up waiting for this one: what was "
            "replayed stays; run it again for the rest.",
        ) from error
    finally:
        out.print(_table(plan.summary, dry_run))
    if plan.summary.left:
        raise typer.Exit(1)


def _load(path: Path) -> Repair:
    try:
        return load_fix(path)
    except FixFailed as error:
        raise DeployError("fix_invalid", "--fix", str(error)) from error


def _topics(settings: KafkaSettings) -> dict[str, TopicInfo]:
    topics = TopicAdmin(settings).describe()
    for name in (RAW.name, REPLAYED.name):
        if name not in topics:
            full = settings.topic(name)
            raise DeployError("topic_missing", full, f"There is no topic {full}: run `loopin topics apply`.")
    return topics


async def _check_ids(settings: KafkaSettings, selection: Selection) -> None:
    """Before anything is published, so that a mistyped id is no half-done command."""
    if selection.ids is None:
        return
    async with aclosing(read_letters(settings, Selection(ids=selection.ids), lambda at: None)) as letters:
        found = {letter.id async for letter in letters}
    for at in selection.ids:
        if at not in found:
            raise not_found(at)


def _edited(plan: Replay) -> Replay:
    """The rest of the plan once the person has repaired its letters, with nothing open at the broker."""
    pending = asyncio.run(plan.pending())
    edits = {found.letter.place: _edit(found, plan.force) for found in pending}

    def repair(letter: DeadLetter) -> Repaired | None:
        body = edits[letter.place]
        return None if body is None else json_object(body)

    return replace(plan, selection=Selection(ids=tuple(found.id for found in pending)), repair=repair)


def _edit(found: Found, force: bool) -> bytes | None:
    """What the person makes of a letter; None to leave it."""
    err.print(f"{found.id}: {printable(found.letter.message)}", highlight=False, markup=False, soft_wrap=True)
    text = before = _editable(found.letter.body)
    while True:
        text = edited(text, f"letter-{found.id.partition}-{found.id.offset}.json")
        if text.strip() in ("", before.strip()):
            return None
        fault = _fault(found.letter, text.encode(), force)
        if fault is None or not sys.stdin.isatty():
            return text.encode()
        err.print(printable(fault), highlight=False, markup=False, soft_wrap=True)
        if not typer.confirm("Edit it again?", default=True, err=True):
            return text.encode()


def _editable(body: bytes) -> str:
    try:
        json_object(body)
    except InvalidEvent:
        return body.decode("utf-8", "replace")
    return msgspec.json.format(body, indent=2).decode("utf-8", "replace") + "\n"


def _fault(letter: DeadLetter, body: bytes, force: bool) -> str | None:
    try:
        event = json_object(body)
    except InvalidEvent as error:
        return error.reason
    outcome = prepare(letter, event, first_seen=letter.first_seen, now_ms=_now_ms(), force=force)
    return outcome.message if isinstance(outcome, Left) else None


class _Screen:
    """Tells of letters as they are dealt with."""

    def __init__(self, dry_run: bool) -> None:
        self._dry_run = dry_run
        self._told = 0

    def tell(self, found: Found, outcome: Ready | Left) -> None:
        """A dry run shows each event; what goes wrong is shown up to ``SENTENCES``."""
        if isinstance(outcome, Ready):
            if self._dry_run:
                body = printable(outcome.body.decode("utf-8", "backslashreplace"))
                text = f"{found.id} would be replayed as {body}"
                out.print(text, highlight=False, markup=False, soft_wrap=True)
        elif outcome.kind != "left":
            self._told += 1
            if self._told <= SENTENCES:
                text = f"{found.id}: {printable(outcome.message)}"
                err.print(text, highlight=False, markup=False, soft_wrap=True)
            elif self._told == SENTENCES + 1:
                err.print("The others that are left are only counted.")


_KINDS = {
    "left": "left as it is",
    "invalid": "still invalid",
    "failed": "repair failed",
    "unreplayable": "not replayable",
}


def _table(summary: Summary, dry_run: bool) -> Table:
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    rows = [
        ("would be replayed" if dry_run else "replayed", summary.replayed),
        ("skipped: replayed before", summary.already),
    ]
    if summary.repeated:
        rows.append(("skipped: its uuid was replayed from another letter", summary.repeated))
    for (kind, reason), number in sorted(summary.left.items()):
        label = _KINDS[kind] if kind in ("left", "failed") else f"{_KINDS[kind]}: {reason}"
        rows.append((label, number))
    for label, number in rows:
        table.add_row(verbatim(label), f"{number:,}")
    return table


def _now_ms() -> int:
    return int(time() * 1000)
