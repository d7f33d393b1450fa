"""GET /api/analytics/export/events, also reached as /api/analytics/export?dataset=events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from loopin_api.export_format import ExportFormat, choose
from loopin_api.instruments import Instruments
from loopin_api.openapi import COMMON, Responses, failures
from loopin_api.queries.export import JSON_COLUMNS, export_events
from loopin_api.services import Reader, Use
from loopin_api.time_filters import Times
from loopin_sinks.store import RowStream

router = APIRouter(tags=["export"])


class RowsResponse(StreamingResponse):
    """Rows of the store, sent as they are read.

    The query is opened before the answer begins, so that a query that fails is answered as an error; one
    that fails later breaks the connection, so that a short file is not taken for a whole one.
    """

    def __init__(
        self,
        rows: AbstractAsyncContextManager[RowStream],
        form: ExportFormat,
        name: str,
        instruments: Instruments,
    ) -> None:
        self._rows = rows
        self._form = form
        self._instruments = instruments
        disposition = {"Content-Disposition": f'attachment; filename="{name}.{form.name}"'}
        super().__init__(_nothing(), headers=disposition, media_type=form.media_types[0])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._rows as rows:
            blocks = aiter(rows)
            first = await anext(blocks, None)
            self.body_iterator = self._encoded(rows.columns, first, blocks)
            await super().__call__(scope, receive, send)

    async def _encoded(
        self,
        columns: tuple[str, ...],
        first: list[tuple[Any, ...]] | None,
        rest: AsyncIterator[list[tuple[Any, ...]]],
    ) -> AsyncIterator[bytes]:
        yield self._form.header(columns)
        block = first
        while block is not None:
            # In a thread: encoding a block takes long enough to hold up other requests.
            yield await asyncio.to_thread(self._form.block, columns, JSON_COLUMNS, block)
            self._instruments.exported_rows.inc(len(block))
            block = await anext(rest, None)


async def _nothing() -> AsyncIterator[bytes]:
    """An empty body, until the rows are known."""
    return
    yield b""


def _format(
    format: Annotated[
        Literal["csv", "ndjson"] | None,
        Query(description="Format; by the Accept header, else csv, by default."),
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> ExportFormat:
    return choose(format, accept)


Form = Annotated[ExportFormat, Depends(_format)]
Names = Annotated[
    list[str],
    Query(default_factory=list, description="Only events of this name; may be repeated.", max_length=100),
]
Users = Annotated[
    list[str],
    Query(default_factory=list, description="Only this distinct_id; may be repeated.", max_length=100),
]

_CSV = (
    '"uuid","event","distinct_id","person_id","timestamp","received_at","original_timestamp","sent_at",'
    '"session_id","source","parent_uuid","sentiment","sentiment_label","warnings","properties"\r\n'
    '"01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10","event_reviewed","12345",'
    '"03d80b99-9006-5cc9-9b90-f742ccecf544","2026-01-15T10:30:00.000Z",'
    '"2026-01-15T10:30:00.412Z",,,"abc-def-ghi","api",,0.6249,"positive","[]",'
    '"{""rating"": 5, ""text"": ""Great event""}"\r\n'
)
_NDJSON = (
    '{"uuid":"01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10","event":"event_reviewed","distinct_id":"12345",'
    '"person_id":"03d80b99-9006-5cc9-9b90-f742ccecf544",'
    '"timestamp":"2026-01-15T10:30:00.000Z","received_at":"2026-01-15T10:30:00.412Z","original_timestamp":null,'
    '"sent_at":null,"session_id":"abc-def-ghi","source":"api","parent_uuid":null,"sentiment":0.6249,'
    '"sentiment_label":"positive","warnings":[],"properties":{"rating": 5, "text": "Great event"}}\n'
)
_ROWS: Responses = {
    200: {
        "description": "The events, ordered by day (UTC), event and user. Times are ISO 8601 in UTC; "
        "`person_id` is the same for all distinct_ids of a person; "
        "`sentiment` is VADER's compound, -1 to 1. CSV has a header row; text is quoted, otherwise kept as "
        "it was sent, so a value may begin with `=`: have a spreadsheet import the columns as text.",
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": _CSV},
            "application/x-ndjson": {"schema": {"type": "string"}, "example": _NDJSON},
        },
    },
    **failures(*COMMON),
}


@router.get(
    "/api/analytics/export/events", summary="Export events", response_class=StreamingResponse, responses=_ROWS
)
async def get_events(
    caller: Reader,
    use: Use,
    times: Times,
    form: Form,
    event: Names,
    user: Users,
) -> RowsResponse:
    """Streams the stored events that match all filters, of the last 30 days by default.

    Needs the scope `read`.
    """
    sql, bound = export_events(caller.project, times.span(), event, user)
    return RowsResponse(use.store.stream(sql, bound), form, "events", use.instruments)


@router.get(
    "/api/analytics/export", summary="Export a data set", response_class=StreamingResponse, responses=_ROWS
)
async def get_export(
    caller: Reader,
    use: Use,
    dataset: Annotated[Literal["events"], Query(description="What to export.")],
    times: Times,
    form: Form,
    event: Names,
    user: Users,
) -> RowsResponse:
    """The same as `/api/analytics/export/events`, by the data set's name. Needs the scope `read`."""
    return await get_events(caller, use, times, form, event, user)
