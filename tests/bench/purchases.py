"""J1's business logic, the same for every system that takes Python functions: filter, window, aggregate."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from loopin_schemas.codec import decoder
from loopin_schemas.event import Event

NAMES = frozenset({"payment_succeeded", "ticket_purchased", "payment_refunded"})
WINDOW_MS = 10_000
BACKLOG_LATENESS_MS = 7_200_000
"""How long windows wait for late events, the same for every system that closes them. Some have one watermark
over partitions, and a backlog is read one partition ahead of another: a shorter grace would drop what is
behind. Closing events lie further ahead than this."""

decode_event = decoder(Event).decode
"""The decoder that every system is given."""


class _Paid(msgspec.Struct):
    amount: float


_decode_paid = decoder(_Paid).decode


class Purchase(NamedTuple):
    """What the windows need of an event; ``timestamp`` is epoch ms."""

    event: str
    timestamp: int
    amount: float
    distinct_id: str

    @property
    def start(self) -> int:
        """Start of its window, epoch ms."""
        return self.timestamp - self.timestamp % WINDOW_MS


def purchase_of(event: Event) -> Purchase | None:
    """The filter: None for an event that does not count."""
    if event.event not in NAMES:
        return None
    assert isinstance(event.timestamp, int)
    return Purchase(event.event, event.timestamp, _decode_paid(event.properties).amount, event.distinct_id)


class Cell(msgspec.Struct):
    """One window of one event name while it is open."""

    count: int = 0
    sum: float = 0.0
    users: set[str] = msgspec.field(default_factory=set)

    def add(self, purchase: Purchase) -> None:
        """Count one purchase in."""
        self.count += 1
        self.sum += purchase.amount
        self.users.add(purchase.distinct_id)


class Row(msgspec.Struct, kw_only=True):
    """A window's result, as every system publishes it; a later row of the window replaces an earlier one."""

    event: str
    start: int
    count: int
    sum: float
    users: int
