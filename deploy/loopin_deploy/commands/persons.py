"""``loopin persons``: which distinct_ids are one person, how that came about, and taking it back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from json import dumps
from time import monotonic
from typing import Annotated, Final

import typer
from msgspec import to_builtins
from rich.table import Column, Table

from loopin_deploy.commands.options import Data, kafka_settings
from loopin_deploy.errors import DeployError
from loopin_deploy.screen import err, out, printable, verbatim
from loopin_schemas.identity import Person, PersonMerge, person_id
from loopin_schemas.timestamps import to_iso
from loopin_schemas.validation import check_project
from loopin_streams.identity.components import alone
from loopin_streams.identity.journal import (
    ask_to_unmerge,
    decision_on,
    merge_of,
    newest_merges,
    person_of,
)
from loopin_streams.kafka.settings import KafkaSettings

app = typer.Typer(help="Persons: which distinct_ids are one, and how that came about.", no_args_is_help=True)

DECIDED_S: Final = 15.0
"""How long `unmerge` waits for the worker's decision."""

POLL_S: Final = 0.25

MERGES_SHOWN: Final = 100
"""Of a person, the newest."""

Project = Annotated[str, typer.Option(help="Only this project.")]
Limit = Annotated[int, typer.Option(help="At most this many, newest first.", min=1)]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

REASONS: Final = {
    "already_identified": "the other id is a user's by itself; only $merge_dangerously joins two users",
    "other_id_invalid": "the other id is missing, or no id of one user",
    "too_many_ids": "the person would have too many distinct_ids",
    "no_such_merge": "there is no such merge any more",
}


@app.command()
def merges(data: Data, project: Project = "", limit: Limit = 50, json: Json = False) -> None:
    """List merges, and those that were undone, the newest first."""
    found = asyncio.run(newest_merges(kafka_settings(data), project=project, limit=limit))
    if json:
        _print_json(found)
        return
    table = Table("merge", Column("decided", max_width=10), "project", "person", "joined", "by", "undone")
    for merge in found:
        undone = merge.outcome == "unmerged"
        row = (merge.id, _when(merge), merge.project, merge.distinct_id, merge.other)
        table.add_row(*map(verbatim, (*row, "-" if undone else merge.kind, "yes" if undone else "-")))
    out.print(table)
    out.print("`loopin persons unmerge MERGE` undoes one.", highlight=False)


@app.command()
def warnings(data: Data, project: Project = "", limit: Limit = 50, json: Json = False) -> None:
    """List what was refused and why, the newest first."""
    found = asyncio.run(
        newest_merges(kafka_settings(data), project=project, outcomes=("refused",), limit=limit)
    )
    if json:
        _print_json(found)
        return
    table = Table(Column("last", max_width=10), "project", "distinct_id", "other", "by", "refused because")
    for merge in found:
        why = REASONS.get(merge.reason or "", merge.reason or "")
        row = (_when(merge), merge.project, merge.distinct_id, merge.other or "-", merge.kind, why)
        table.add_row(*map(verbatim, row))
    out.print(table)


@app.command()
def show(
    data: Data,
    distinct_id: Annotated[str, typer.Argument(help="Any distinct_id of the person.")],
    project: Annotated[str, typer.Option(envvar="LOOPIN_PROJECT", help="The project.")],
    json: Json = False,
) -> None:
    """Show a person: all distinct_ids, and the merges that joined them."""
    check_project(project)
    if not distinct_id.strip():
        raise DeployError("distinct_id_empty", "distinct_id", "Give one of the person's distinct_ids.")
    settings = kafka_settings(data)
    known, joined = asyncio.run(_person(settings, project, distinct_id))
    person = known or alone(distinct_id)
    if known is None and not joined:
        err.print(
            f"Nothing has been joined to {printable(distinct_id)} in project {project}, nor has it been "
            "identified: if it has events, it is a person by itself.",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    name = person.distinct_ids[0]
    if json:
        about = {"project": project, "person_id": person_id(project, name), "name": name}
        ids = {
            "distinct_ids": person.distinct_ids,
            "identified": [person.distinct_ids[at] for at in person.identified],
        }
        _print_json([{**about, **ids, "merges": joined}])
        return
    out.print(f"person      {person_id(project, name)}", highlight=False)
    for at, each in enumerate(person.distinct_ids):
        user = " (identified)" if at in person.identified else ""
        label = "distinct_id" if at == 0 else ""
        out.print(f"{label:12}{printable(each)}{user}", highlight=False, markup=False, soft_wrap=True)
    for merge in joined:
        words = {"merged": "joined to", "unmerged": "undone:", "refused": "not joined to"}[merge.outcome]
        line = f"{to_iso(merge.decided_at)} {merge.other or '-'} {words} {merge.distinct_id} ({merge.id})"
        out.print(printable(line), highlight=False, markup=False, soft_wrap=True)


@app.command()
def unmerge(
    data: Data, merge: Annotated[str, typer.Argument(help="As `loopin persons merges` shows it.")]
) -> None:
    """Take a merge back: its two persons are two again, and their windows are counted anew.

    Other merges stay. Events that ask for it again join them again.
    """
    decided = asyncio.run(_unmerge(kafka_settings(data), merge))
    if decided is None:
        err.print("Asked for; a stream worker undoes it as soon as one runs.", highlight=False)
    elif decided.outcome == "refused":
        raise _not_found(merge)
    else:
        ids = ", ".join(printable(each) for each in decided.moved)
        words = "is a person of its own" if len(decided.moved) == 1 else "are a person of their own"
        out.print(f"Undone: {ids} {words}.", highlight=False, markup=False, soft_wrap=True)


async def _person(
    settings: KafkaSettings, project: str, distinct_id: str
) -> tuple[Person | None, list[PersonMerge]]:
    """The person of an id, None where none is known, and what the journal says of all its ids."""
    person = await person_of(settings, project, distinct_id)
    joined = await newest_merges(
        settings,
        project=project,
        outcomes=("merged", "unmerged", "refused"),
        distinct_ids=[distinct_id] if person is None else person.distinct_ids,
        limit=MERGES_SHOWN,
    )
    return person, joined


async def _unmerge(settings: KafkaSettings, merge_id: str) -> PersonMerge | None:
    """What was decided; None while nothing is."""
    found = await merge_of(settings, merge_id.lower())
    if found is None or found.outcome == "refused":
        raise _not_found(merge_id)
    if found.outcome == "unmerged":
        raise DeployError("already_unmerged", "merge", f"The merge {merge_id} has been undone already.")
    offset = await ask_to_unmerge(settings, found)
    deadline = monotonic() + DECIDED_S
    while True:
        decided = await decision_on(settings, offset)
        if decided is not None or monotonic() > deadline:
            return decided
        await asyncio.sleep(POLL_S)


def _not_found(merge_id: str) -> DeployError:
    return DeployError(
        "not_found", "merge", f"There is no merge {merge_id}: `loopin persons merges` lists them."
    )


def _when(merge: PersonMerge) -> str:
    return to_iso(merge.decided_at)[:19].replace("T", " ")


def _print_json(found: Sequence[PersonMerge | Mapping[str, object]]) -> None:
    for each in found:
        # In ASCII: what a client has sent must not steer the terminal.
        out.out(dumps(to_builtins(each)), highlight=False)
