"""What Segment's and RudderStack's SDKs send to: their host is changed, nothing else."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from fastapi import APIRouter, Request, Response
from msgspec import Raw
from pydantic import BaseModel, ConfigDict, Field

from loopin_api.errors import ApiError
from loopin_api.ingest.answers import answer, refuse_if, refuse_wholly_dropped
from loopin_api.ingest.dialect import speaking
from loopin_api.ingest.incoming import NOTHING, elements, plain, scan
from loopin_api.ingest.segment import KINDS, Reader
from loopin_api.openapi import COMPATIBLE, bare, failures_as, request_body
from loopin_api.routers.batch import EventReceipt
from loopin_api.services import Use

MAX_BATCH_BYTES: Final = 500 * 1024
"""Segment's own limit of one request."""


class SegmentError(BaseModel):
    """A refusal in Segment's words."""

    code: str = Field(description="Stable lower_snake code for programs.")
    message: str = Field(description="One sentence for a person, which says what to do.")


def _words(error: ApiError) -> dict[str, Any]:
    return {"code": error.code.lower(), "message": error.message}


router = APIRouter(tags=["Segment's and RudderStack's SDKs"], route_class=speaking(_words))


class SegmentMessage(BaseModel):
    """A message as Segment's specification has it; fields beside these are understood too."""

    model_config = ConfigDict(extra="allow")

    type: str | None = Field(None, description="Its kind, where the path does not say it.")
    userId: str | int | None = Field(None, description="Who did it.")
    anonymousId: str | None = Field(None, description="Who did it, before anybody was identified.")
    messageId: str | None = Field(None, description="Identity of the message; sent twice it counts once.")
    timestamp: str | None = Field(None, description="When it happened, ISO 8601.")
    context: dict[str, Any] = Field(default_factory=dict, description="What surrounded it.")


class SegmentBatch(BaseModel):
    """Messages, each of at most 32 KB."""

    model_config = ConfigDict(extra="allow")

    batch: list[SegmentMessage] = Field(max_length=1000, description="1 to 1,000 messages.")
    sentAt: str | None = Field(None, description="The client's clock as it sends this, ISO 8601.")
    context: dict[str, Any] = Field(
        default_factory=dict, description="What surrounded all messages; what one says itself wins."
    )
    writeKey: str | None = Field(None, description="The write key, for clients without the header.")


class SegmentAnswer(BaseModel):
    """The broker has acknowledged every message that is not reported otherwise."""

    success: Literal[True] = Field(description="Always true.")
    receipts: list[EventReceipt] = Field(description="One for each message, in order.")


class _Body(msgspec.Struct):
    batch: Raw = NOTHING
    sent_at: Raw = msgspec.field(default=NOTHING, name="sentAt")
    write_key: Raw = msgspec.field(default=NOTHING, name="writeKey")
    context: Raw = NOTHING


_body: Final = msgspec.json.Decoder(_Body)

_NO_KEY: Final = (
    "Give the SDK the project's write key (lp_w_...): it is sent as the user of Authorization: Basic, or as "
    "writeKey in the body."
)

_MESSAGE: Final = {
    "userId": "user-17",
    "event": "Order Completed",
    "properties": {"order_id": "order-9", "total": 500.0, "currency": "INR"},
    "messageId": "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10",
    "timestamp": "2026-01-15T10:30:00Z",
}
_BATCH: Final = {"batch": [{"type": "track", **_MESSAGE}], "sentAt": "2026-01-15T10:30:01Z"}
_ANSWER: Final = {
    "success": True,
    "receipts": [
        {"uuid": "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10", "result": "ok", "reason": None, "code": None}
    ],
}


async def _take(request: Request, use: Use, kind: str | None) -> Response:
    intake = use.intake
    caller = await intake.by_header(request, basic=True)
    async with intake.received(request, MAX_BATCH_BYTES) as received:
        text = await intake.sound(request, received)
        body = scan(_body, text)
        key = plain(body.write_key)
        caller = caller or await intake.by_key(request, key if isinstance(key, str) else None, _NO_KEY)
        messages = elements(body.batch, "batch") if kind is None else [Raw(text)]
        headers = await intake.admit(request, caller, len(messages))
        # A message that stands alone has its own context, which is the body's.
        context = body.context if kind is None and bytes(body.context) != b"null" else None
        if context is not None and len(messages) > 1:
            # Each message carries it on: what a batch becomes is counted.
            await intake.count_bytes(request, len(memoryview(context)) * (len(messages) - 1))
        reader = Reader(caller.project, intake.connection(request), plain(body.sent_at), kind, context)
        receipts = await intake.publish(caller, messages, reader.claim, receipts_are_read=False)
    refuse_if(receipts, any)
    refuse_wholly_dropped(receipts)
    return answer({"success": True, "receipts": receipts}, headers)


def _add(path: str, kind: str | None, body: type[BaseModel], example: Any) -> None:
    async def post_messages(request: Request, use: Use) -> Response:
        """Answers once the broker has acknowledged it; authenticated by the write key as the Basic user.

        The body may be compressed (gzip, deflate, br or zstd), and has at most 500 KB. A refused message
        costs the others nothing, and becomes a dead letter; where none is accepted, the answer is 400. Where
        one was not acknowledged, the answer is 503: sent again, no message counts twice.
        """
        return await _take(request, use, kind)

    router.post(
        path,
        summary=f"Segment: {kind or 'batch'}",
        response_model=SegmentAnswer,
        responses={
            **bare("A receipt for each message", _ANSWER),
            **failures_as(SegmentError, _words, *COMPATIBLE),
        },
        openapi_extra=request_body(body, {"message": example}),
    )(post_messages)


for _kind in KINDS:
    _add(f"/v1/{_kind}", _kind, SegmentMessage, _MESSAGE)
    _add(f"/v1/{_kind[0]}", _kind, SegmentMessage, _MESSAGE)  # as Segment's browser SDK calls it
_add("/v1/batch", None, SegmentBatch, _BATCH)
_add("/v1/b", None, SegmentBatch, _BATCH)
