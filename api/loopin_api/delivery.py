"""From an event to the broker's acknowledgement, as one coroutine."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from loopin_producers.channel import Done
from loopin_producers.errors import DeliveryFailed, LoopinError
from loopin_schemas import Event, encode
from loopin_schemas.topics import event_key
from loopin_schemas.validation import check_size


class Publisher(Protocol):
    """What the API needs of the client SDK; one client serves all projects."""

    def publish_record(self, key: bytes | None, value: bytes, done: Done) -> None:
        """Queue a record; ``done`` is called once, from any thread. Raises LoopinError."""
        ...


class NotAcknowledged(Exception):
    """The broker did not acknowledge the event in time; it may still arrive."""


async def deliver(publisher: Publisher, event: Event, timeout: float) -> None:
    """Publish the event and wait up to ``timeout`` seconds for the acknowledgement.

    Raises:
        InvalidEvent: ``too_large``.
        NotAcknowledged: the broker refused it, is away, or took longer.
    """
    body = encode(event)
    check_size(body)
    loop = asyncio.get_running_loop()
    acknowledged: asyncio.Future[DeliveryFailed | None] = loop.create_future()

    def settle(failure: DeliveryFailed | None) -> None:
        if not acknowledged.done():
            acknowledged.set_result(failure)

    def done(failure: DeliveryFailed | None, _partition: int, _offset: int) -> None:
        with suppress(RuntimeError):  # the loop has closed: nobody waits any more
            loop.call_soon_threadsafe(settle, failure)

    try:
        publisher.publish_record(event_key(event.project, event.distinct_id), body, done)
        failure = await asyncio.wait_for(acknowledged, timeout)
    except (LoopinError, TimeoutError) as error:
        raise NotAcknowledged from error
    if failure is not None:
        raise NotAcknowledged from failure
