"""The routes of one row of a resource: to read it, put it right, delete and create it; the same for all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel

from loopin_api.auth import Caller
from loopin_api.body import json_body
from loopin_api.correcting import CorrectionRequest, Corrector, DayRequest, day_of, stands, unknown_row
from loopin_api.envelope import Detail
from loopin_api.errors import invalid
from loopin_api.openapi import COMMON, EXAMPLE_TIME, WITH_BODY, bare, failures, request_body
from loopin_api.services import Reader, Services, Use, Writer
from loopin_schemas.corrections import Correction, Resource


@dataclass(frozen=True, slots=True)
class Row:
    """A row that may be there.

    Attributes:
        key: under which its corrections are kept.
        known: what overrides it now.
        computed: whether it is there without anybody having created it.
        answer: gives it as it is answered.
        kept: gives, of all values that are to override it, those that need be kept.
        fixed: fields that nothing ever changes; others that are only read follow from what is put right.
    """

    key: str
    known: Correction | None
    computed: bool
    answer: Callable[[], Awaitable[BaseModel | None]]
    kept: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    fixed: frozenset[str]

    async def check(self, body: CorrectionRequest) -> None:
        """422 where the body has another value of a fixed field."""
        if (found := await self.answer()) is not None:
            body.check_fixed(found, self.fixed)


def add_rows(
    router: APIRouter,
    name: Resource,
    noun: str,
    origin: str,
    id: str,
    answers: type[BaseModel],
    example: Mapping[str, Any],
    changed: Mapping[str, Any],
    body: type[CorrectionRequest],
    find: Callable[[Services, Caller, str], Awaitable[Row | None]],
    made: type[DayRequest] | None = None,
    counted: str = "",
) -> None:
    """Add GET, PUT, PATCH and DELETE of a row, and POST of one where rows can be created.

    Args:
        router: what they are added to, under ``/api/{name}``.
        name: the resource.
        noun: what a row is.
        origin: how its values come about by themselves: computed, recorded.
        id: description of what names a row.
        answers: what is answered of a row, ``example`` one, and ``changed`` what of it is put right then.
        body: of PUT and PATCH.
        find: the row of an id, None where there can be none; may raise StoreError.
        made: body of POST.
        counted: sentence that says what counts a row that is deleted.
    """
    one, rest = f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}", "Events stay as they are."
    says = {field: value for field, value in changed.items() if field in body.model_fields}
    after = {**example, **changed, "corrected_fields": sorted(says.keys() - {"note"})}
    if "corrected_at" in example:
        after |= {"corrected_at": EXAMPLE_TIME, "corrected_by": "user-1"}
    named: Any = Path(max_length=420, description=id)
    said: Any = Depends(json_body(body))

    async def existing(use: Services, caller: Caller, id: str) -> Row:
        row = await find(use, caller, id)
        if row is None or not stands(row.known, row.computed):
            raise unknown_row(noun)
        return row

    async def correct(
        use: Services, caller: Caller, id: str, body: CorrectionRequest, *, replaces: bool
    ) -> Any:
        row, corrector = await existing(use, caller, id), Corrector(use, caller, name)
        await row.check(body)
        before = {} if replaces else corrector.values(row.key)
        await corrector.save(row.key, row.kept({**before, **body.values()}), body.note)
        return await (await existing(use, caller, id)).answer()

    async def get(use: Use, caller: Reader, id: str = named) -> Any:
        return await (await existing(use, caller, id)).answer()

    async def put(use: Use, caller: Writer, id: str = named, body: CorrectionRequest = said) -> Any:
        return await correct(use, caller, id, body, replaces=True)

    async def patch(use: Use, caller: Writer, id: str = named, body: CorrectionRequest = said) -> Any:
        return await correct(use, caller, id, body, replaces=False)

    async def delete(use: Use, caller: Writer, id: str = named) -> None:
        row = await existing(use, caller, id)
        await Corrector(use, caller, name).delete(row.key)

    def add(endpoint: Callable[..., Any], summary: str, description: str, **more: Any) -> None:
        method = endpoint.__name__
        path = f"/api/{name}" if method == "post" else f"/api/{name}/{{id:path}}"
        described = {"name": f"{method}_row", "summary": summary, "description": description, **more}
        router.add_api_route(path, endpoint, methods=[method.upper()], **described)

    add(
        get,
        f"Retrieve {one}",
        f"One row, as {origin} and put right. Needs the scope `read`.",
        response_model=answers,
        responses={**bare("The row.", example), **failures(404, *COMMON)},
    )
    for endpoint, summary, description in (
        (put, f"Replace what was put right of {one}", f"; the others are again as {origin}"),
        (patch, f"Put {one} right", " from now on"),
    ):
        add(
            endpoint,
            summary,
            f"The fields named here override what is {origin}{description}. {rest} Needs the scope `write`.",
            response_model=answers,
            responses={**bare("The row.", after), **failures(404, 409, *COMMON, *WITH_BODY)},
            openapi_extra=request_body(body, {"values": says}),
        )
    add(
        delete,
        f"Delete {one}",
        f"It is not shown any more{', until somebody creates it' if made else ''}. {counted}{rest} "
        "Needs the scope `write`.",
        status_code=204,
        responses=failures(404, 409, *COMMON),
    )
    if made is None:
        return
    new: Any = Depends(json_body(made))

    async def post(use: Use, caller: Writer, body: DayRequest = new) -> Any:
        row, corrector = await find(use, caller, body.id), Corrector(use, caller, name)
        day, today = day_of(body.date), use.clock().astimezone(use.projects.zone(caller.project)).date()
        if row is None or day is None:
            raise invalid([Detail(field="date", reason="Give a day of the calendar as YYYY-MM-DD.")])
        if day > today:
            raise invalid([Detail(field="date", reason=f"Give a day up to today, {today}.")])
        corrector.check_new(row.key)
        await row.check(body)
        await corrector.save(row.key, row.kept(body.values()), body.note, created=not row.computed)
        return await (await existing(use, caller, body.id)).answer()

    key = {field: example[field] for field in made.NO_VALUES - {"note"}}
    add(
        post,
        f"Put {one} right that nobody has yet, or create it",
        f"The fields named here override what is {origin}; a row that was deleted is there again. Needs the "
        "scope `write`.",
        status_code=201,
        response_model=answers,
        responses={201: bare("Kept.", after)[200], **failures(409, *COMMON, *WITH_BODY)},
        openapi_extra=request_body(made, {"values": {**key, **says}}),
    )
