"""What the client needs of a way to the system: Kafka's, or HTTP's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from loopin_producers.errors import DeliveryFailed
from loopin_producers.spool import SpooledRecord

Settle = Callable[[SpooledRecord, DeliveryFailed | None, int, int], None]
"""Called in a background thread with the record, the failure or None, its partition and its offset; both are
-1 over HTTP."""


class Transport(Protocol):
    """Sends records in order, in the background.

    Every accepted record is settled once: acknowledged, which ``settle`` may not be told of unless asked for,
    or failed, which it always is.
    """

    @property
    def counts(self) -> tuple[int, int, int]:
        """Records queued, acknowledged and failed so far."""
        ...

    @property
    def is_settling_here(self) -> bool:
        """Whether this is the thread that settles: what waits in it for a record waits for itself."""
        ...

    def send(self, record: SpooledRecord, settle: Settle) -> None:
        """Queue a record; returns at once. Raises QueueFull, ClientClosed or DeliveryFailed."""
        ...

    def wait_below(self, limit: int, timeout: float) -> bool:
        """Wait until fewer than ``limit`` records are queued; False when ``timeout`` (s) passes first."""
        ...

    def purge(self, *, in_flight: bool) -> None:
        """Fail what waits to be sent, and ``in_flight`` also what may have arrived already."""
        ...

    def close(self, timeout: float) -> int:
        """Deliver within ``timeout`` (s), fail the rest, stop; returns how many failed."""
        ...

    def abandon(self) -> None:
        """Drop what a forked child has inherited."""
        ...
