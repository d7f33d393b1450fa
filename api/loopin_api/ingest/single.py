"""A request that is one event: refused by its fields' names, or acknowledged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from loopin_api.auth import Caller
from loopin_api.errors import ApiError, from_invalid_event, unavailable
from loopin_api.ingest.acceptance import accept
from loopin_api.ingest.claims import Claim
from loopin_api.ingest.intake import Intake, now
from loopin_api.ingest.receipts import Receipt
from loopin_schemas import Event, InvalidEvent

UUID_HEADER: Final = "X-Event-Uuid"
"""Names the event that was not acknowledged, to send it again under the same uuid."""


class Published(NamedTuple):
    """The event as the broker has it, and its receipt."""

    event: Event
    receipt: Receipt


async def publish_one(
    intake: Intake,
    caller: Caller,
    made: Callable[[int], Event],
    field_of: Callable[[str | None], str | None],
) -> Published:
    """Publish the caller's event that ``made`` gives for the time now (epoch ms).

    ``field_of`` says what the request calls the event's field of a dotted path.

    Raises:
        ApiError: 422, or 503 with ``X-Event-Uuid``.
    """
    moment = now()
    try:
        claim = Claim(made(moment))
        size = len(memoryview(claim.event.properties))
        ready = await intake.aside.run(caller.key_id, size, accept, claim, moment, intake.protect)
    except InvalidEvent as error:
        intake.instruments.refused.labels(error.code).inc()
        raise from_invalid_event(error, field_of(error.field)) from None
    (receipt,) = await intake.send([ready])
    if receipt.result == "retry":
        raise _not_acknowledged(ready.uuid)
    return Published(claim.event, receipt)


def _not_acknowledged(uuid: str) -> ApiError:
    error = unavailable(
        "NOT_ACKNOWLEDGED", f"The broker did not acknowledge the event; send it again with the uuid {uuid}."
    )
    error.headers[UUID_HEADER] = uuid
    return error
