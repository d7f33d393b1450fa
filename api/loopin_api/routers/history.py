"""/api/{resource}/{id}/history: who put a row right, when, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from loopin_api.auth import Caller
from loopin_api.correcting import day_of, unknown_row
from loopin_api.envelope import Moment
from loopin_api.openapi import page as page_of
from loopin_api.pages import Listed, Paged, listed
from loopin_api.queries.history import Change, history
from loopin_api.queries.user import person_of
from loopin_api.services import Reader, Services, Use
from loopin_schemas.corrections import Resource, correction_id

router = APIRouter(tags=["corrections"])

RowId = Annotated[str, Path(max_length=420, description="The row's id.")]


How = Literal["corrected", "created", "deleted", "taken_back"]


class RowChange(BaseModel):
    """One change of what overrides a row."""

    at: Moment = Field(description="When, ISO 8601 in UTC.")
    by: str = Field(description="Who: the token's `sub`, or the key.")
    change: How = Field(
        description="What was done: `taken_back` leaves the row to what is computed or recorded."
    )
    values: dict[str, Any] = Field(description="What overrode the row from then on, by field.")
    note: str = Field(description="What they said of it.")


_EXAMPLE: Final = {
    "at": "2026-01-15T10:30:00.000Z",
    "by": "user-1",
    "change": "corrected",
    "values": {"error_count": 2},
    "note": "One was a drill.",
}
_DESCRIPTION: Final = """All changes of what overrides the row, the latest first. Needs the scope `read`.

They are here some seconds after they were made, for three years; a row that nobody put right has none.
"""


def _add(path: str, resource: Resource, rows: Callable[[Services, Caller, str], Any]) -> None:
    """A route for one resource; ``rows`` gives the names under which a row's corrections are kept."""

    async def get_history(use: Use, caller: Reader, page: Paged, id: RowId) -> Listed[RowChange]:
        ids = [correction_id(caller.project, resource, row) for row in await rows(use, caller, id)]
        count, found = await history(use.store, ids, page.size, page.offset)
        return listed(page, count, [_told(change) for change in found])

    router.add_api_route(
        path,
        get_history,
        methods=["GET"],
        summary=f"Who put a row of {resource} right",
        description=_DESCRIPTION,
        operation_id=f"get_history_of_{resource}",
        responses=page_of("A page of changes.", _EXAMPLE),
    )


async def _named(use: Services, caller: Caller, id: str) -> Sequence[str]:
    return [id.lower()]


async def _of_person(use: Services, caller: Caller, id: str) -> Sequence[str]:
    """A correction stays under the distinct_id that named the person when it was made."""
    day, _, user = id.partition(":")
    if day_of(day) is None or not user:
        raise unknown_row("row")
    return [f"{day}:{each}" for each in (await person_of(use.store, caller.project, user)).distinct_ids]


def _told(change: Change) -> RowChange:
    made = change.correction
    return RowChange(at=change.at, by=made.by, change=_how(change), values=made.values, note=made.note)


def _how(change: Change) -> How:
    made, before = change.correction, change.before
    if made.deleted:
        return "deleted"
    if made.created and (before is None or not before.created):
        return "created"
    # A row that was made stays one, whatever is taken back of it.
    return "corrected" if made.values or made.created else "taken_back"


_add("/api/daily/{id}/history", "daily", _named)
_add("/api/user-analytics/{id:path}/history", "user-analytics", _of_person)
_add("/api/metrics/{id}/history", "metrics", _named)
_add("/api/errors/{id}/history", "errors", _named)
