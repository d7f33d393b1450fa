"""Events that are kept on disk while the broker is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final, Protocol

from loopin_api.ingest.acceptance import Accepted
from loopin_api.ingest.receipts import Receipt, retry, spooled
from loopin_api.instruments import Instruments
from loopin_schemas import Event, InvalidEvent, encode
from loopin_schemas.codec import decode
from loopin_schemas.timestamps import parse_timestamp
from loopin_schemas.validation import check_size
from loopin_streams.enrich.steps.clock_skew import event_time

FEW: Final = 5_000
"""So few are delivered within a moment, for which requests can wait."""

MOMENT_S: Final = 0.5
_LOOK_S: Final = 0.01


class Reserve(Protocol):
    """Keeps records on disk and delivers them in their order."""

    def keep(self, records: Sequence[tuple[str, bytes, bytes]]) -> int:
        """Write records (uuid, key, value); returns how many of the first ones are on disk."""
        ...

    @property
    def waiting(self) -> int:
        """Records of this process that the broker does not have yet."""
        ...

    @property
    def empty(self) -> bool:
        """Whether the broker has everything, also what another process left."""
        ...

    @property
    def is_down(self) -> bool:
        """Whether no broker could be reached, and nothing has been acknowledged since."""
        ...


class Held:
    """A reserve, and when it has to be used: new events never overtake those that are kept."""

    def __init__(self, reserve: Reserve, instruments: Instruments) -> None:
        self._reserve = reserve
        self._instruments = instruments

    async def emptied(self) -> bool:
        """Whether nothing is kept any more; waits a moment for the last of it.

        No also while no broker can be reached: what is kept then is what asks for it.
        """
        reserve = self._reserve
        if reserve.is_down:
            return False
        until = time.monotonic() + MOMENT_S
        while not reserve.empty:
            # All requests wait here, so that there is an end to what is kept.
            if reserve.is_down or reserve.waiting > FEW or time.monotonic() >= until:
                return False
            await asyncio.sleep(_LOOK_S)
        return True

    async def keep(self, accepted: Sequence[Accepted]) -> list[Receipt]:
        """Keep events; a receipt for each, which says ``retry`` where there was no room."""
        now_ms = time.time_ns() // 1_000_000
        records = []
        for one in accepted:
            try:
                body = one.body if one.receipt.result == "drop" else _as_of(one.body, now_ms)
                records.append((one.uuid, one.key, body))
            except InvalidEvent:
                break  # Its time made it too large: it waits with its sender, and those after it, for order.
        kept = await asyncio.to_thread(self._reserve.keep, records) if records else 0
        self._instruments.spooled.inc(kept)
        return [
            one.receipt if one.receipt.result == "drop" else spooled(one.receipt) for one in accepted[:kept]
        ] + [retry(one.uuid) for one in accepted[kept:]]


def _as_of(body: bytes, now_ms: int) -> bytes:
    """The event with its time as of now (epoch ms): the wait on disk is no error of the client's clock.

    Raises:
        InvalidEvent: it is too large now.
    """
    event = decode(body, Event)
    original = None if event.timestamp is None else parse_timestamp(event.timestamp)
    sent = None if event.sent_at is None else parse_timestamp(event.sent_at, "sent_at")
    event.timestamp = event_time(original, sent, now_ms)
    event.sent_at = None
    if event.queued_at is None:
        event.queued_at = now_ms
    changed = encode(event)
    check_size(changed)
    return changed
