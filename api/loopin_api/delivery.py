"""From records to the broker's acknowledgements, as one coroutine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from loopin_producers.channel import Done
from loopin_producers.errors import DeliveryFailed, LoopinError

_LOOK_S: Final = 0.05
"""How often whoever waits looks whether that has become hopeless."""


class Publisher(Protocol):
    """What the API needs of the client SDK; one client serves all projects."""

    def publish_record(
        self, key: bytes | None, value: bytes, done: Done, *, topic: str | None = None
    ) -> None:
        """Queue a record; ``done`` is called once, from any thread. Raises LoopinError.

        ``topic`` is a name without the installation's prefix; None for that of events.
        """
        ...

    @property
    def broker_is_down(self) -> bool:
        """Whether no broker can be reached, as far as is known without asking it."""
        ...


class Outgoing(NamedTuple):
    """A record's key and value."""

    key: bytes
    value: bytes


async def deliver(
    publisher: Publisher,
    records: Sequence[Outgoing],
    timeout: float,
    hopeless: Callable[[], bool] = lambda: False,
    *,
    topic: str | None = None,
) -> list[bool]:
    """Publish records in order and wait up to ``timeout`` seconds; says of each whether it was acknowledged.

    The wait ends when it is ``hopeless``, too. One that was not may still arrive. When the client's queue is
    full the rest is not tried, so that the order of a user's events holds.
    """
    to = {} if topic is None else {"topic": topic}
    waiting = _Waiting(asyncio.get_running_loop(), len(records))
    for index, record in enumerate(records):
        try:
            publisher.publish_record(record.key, record.value, waiting.callback(index), **to)
        except LoopinError:
            waiting.give_up(len(records) - index)
            break
    until = time.monotonic() + timeout
    while not waiting.settled.done() and (left := until - time.monotonic()) > 0 and not hopeless():
        await asyncio.wait((waiting.settled,), timeout=min(left, _LOOK_S))
    return list(waiting.acknowledged)


class _Waiting:
    """The acknowledgements that a delivery waits for."""

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int) -> None:
        self.acknowledged = [False] * count
        self.settled: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._left = count
        self._lock = threading.Lock()

    def callback(self, index: int) -> Done:
        """What the client calls once the record of this index is settled."""

        def done(failure: DeliveryFailed | None, _partition: int, _offset: int) -> None:
            self.acknowledged[index] = failure is None
            self.give_up(1)

        return done

    def give_up(self, count: int) -> None:
        """Nothing more will be heard of so many records; after the last, the waiting ends."""
        with self._lock:
            self._left -= count
            ended = self._left == 0
        if ended:
            with suppress(RuntimeError):  # the loop has closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if not self.settled.done():
            self.settled.set_result(None)
