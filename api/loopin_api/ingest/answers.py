"""Answers that are written at once, without a model: receipts may be a thousand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import Response

from loopin_api.envelope import iso_ms
from loopin_api.errors import RETRY_AFTER_S, ApiError, unavailable
from loopin_api.ingest.receipts import Receipt
from loopin_schemas.codec import encode


def answer(body: Any, headers: Mapping[str, str], status: int = 200) -> Response:
    """A JSON answer."""
    return Response(encode(body), status, dict(headers), "application/json")


def enveloped(receipts: Sequence[Receipt], headers: Mapping[str, str]) -> Response:
    """The receipts in the envelope of ``/api/analytics``.

    Raises:
        ApiError: 503 where every event is to be sent again.
    """
    refuse_if(receipts, all)
    body = {"success": True, "data": {"receipts": receipts}, "timestamp": iso_ms(datetime.now(UTC))}
    return answer(body, {**headers, **retry_header(receipts)})


def refuse_wholly_dropped(receipts: Sequence[Receipt]) -> None:
    """Refuse a request of which nothing was accepted, for clients that read no receipts.

    Raises:
        ApiError: 400 with the first event's reason.
    """
    if receipts and all(one.result == "drop" for one in receipts):
        raise ApiError(400, "NO_VALID_EVENT", str(receipts[0].reason))


def retry_header(receipts: Sequence[Receipt]) -> Mapping[str, str]:
    """``Retry-After``, where an event is to be sent again."""
    return {"Retry-After": str(RETRY_AFTER_S)} if any(one.result == "retry" for one in receipts) else {}


def refuse_if(receipts: Sequence[Receipt], which: Callable[[Iterable[bool]], bool]) -> None:
    """Refuse the request where ``any`` or ``all`` of its events are to be sent again.

    Raises:
        ApiError: 503 with Retry-After; no event counts twice when the request is sent again as it was.
    """
    if receipts and which(one.result == "retry" for one in receipts):
        raise unavailable(
            "NOT_ACKNOWLEDGED", "The broker did not acknowledge every event; send the same request again."
        )
