"""A client's ways out in one process, opened with its first event and anew in each forked child."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loopin_producers.channel import Channel, Done
from loopin_producers.delivery import Delivery
from loopin_producers.errors import ClientClosed, InvalidConfiguration
from loopin_producers.resender import Hooks
from loopin_producers.spool import Spool, SpooledRecord
from loopin_producers.transport import Transport

MakeTransport = Callable[[Callable[[], object]], Transport]
"""Makes the transport; it calls the given function when nobody can be reached."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How to make what a connection consists of; ``channel`` is None where there is no broker to talk to.

    Like the transport, the channel calls the function it is given when nobody can be reached.
    """

    transport: MakeTransport
    spool: Callable[[], Spool | None]
    channel: Callable[[Callable[[], object]], Channel] | None
    hooks: Hooks
    durable: bool
    max_waiting: int


class Connection:
    """The delivery of captured events, and a channel for records whose every outcome is asked for.

    ``opened`` is called when there is something to lose for the first time.
    """

    def __init__(self, ways: Ways, opened: Callable[[], object]) -> None:
        self._ways = ways
        self._opened = opened
        self._lock = threading.RLock()
        self._opening = self._was_down = False
        self._early: list[SpooledRecord] = []
        self._delivery: Delivery | None = None
        self._channel: Channel | None = None
        self._closed = False
        self.channel_down = False
        """Whether the channel could reach nobody; whoever hears of an acknowledgement takes it back."""

    def deliver(self, record: SpooledRecord) -> None:
        """Raises QueueFull, ClientClosed or DeliveryFailed."""
        delivery = self._delivery or self._open_delivery()
        if delivery is None:
            # A signal handler's, which has interrupted the opening.
            self._early.append(record)
        else:
            delivery.send(record)

    def keep(self, records: Sequence[SpooledRecord]) -> int:
        """Write records to the spool, for a durable client; returns how many of the last found no room."""
        delivery = self._delivery or self._open_delivery()
        return len(records) if delivery is None else delivery.keep(records)

    def publish(self, topic: str, key: bytes | None, value: bytes, done: Done) -> None:
        """Raises QueueFull, ClientClosed or DeliveryFailed."""
        (self._channel or self._open_channel()).send(topic, key, value, done)

    def wait_for_room(self, limit: int, timeout: float) -> bool:
        """Wait until the channel has fewer than ``limit`` records; False once ``timeout`` (s) is over."""
        channel = self._channel
        return channel is None or channel.wait_below(limit, timeout)

    def flush(self, timeout: float) -> int:
        """Wait up to ``timeout`` (s); returns how many records are not delivered."""
        delivery, channel = self._delivery, self._channel
        left = 0 if delivery is None else delivery.flush(timeout)
        if channel is not None:
            channel.wait_below(1, timeout)
            left += channel.counts[0]
        return left

    def close(self, timeout: float) -> int:
        """Stop within ``timeout`` (s); returns how many records were not delivered, spooled ones included."""
        with self._lock:
            already, self._closed = self._closed, True
        if already:
            return 0
        unsent = 0 if self._delivery is None else self._delivery.close(timeout)
        return unsent + (0 if self._channel is None else self._channel.close(timeout))

    def abandon(self) -> None:
        """Drop what a forked child has inherited."""
        for part in (self._delivery, self._channel):
            if part is not None:
                part.abandon()

    @property
    def is_down(self) -> bool:
        """Whether nobody could be reached, and nothing has been acknowledged since."""
        return self._delivery is not None and self._delivery.is_down

    @property
    def spooled(self) -> int:
        """Records of this process that wait on disk."""
        return 0 if self._delivery is None else self._delivery.spooled

    @property
    def spool_empty(self) -> bool:
        """Whether nothing waits on disk, of this process or of another that has ended."""
        return self._delivery is None or self._delivery.spool_empty

    @property
    def counts(self) -> tuple[int, int]:
        """Records not acknowledged yet, wherever they wait, and records acknowledged."""
        delivery, channel = self._delivery, self._channel
        queued, delivered = (0, 0) if delivery is None else (delivery.undelivered, delivery.acknowledged)
        if channel is not None:
            more, acknowledged, _ = channel.counts
            queued, delivered = queued + more, delivered + acknowledged
        return queued, delivered

    def _open_delivery(self) -> Delivery | None:
        """The delivery, or None in what has interrupted its opening."""
        with self._lock:
            if self._delivery is not None or self._opening:
                return self._delivery
            self._refuse_if_closed()
            self._opening = True
            try:
                ways = self._ways
                spool = ways.spool()
                delivery = Delivery(
                    ways.transport(self._note_down),
                    spool,
                    ways.hooks,
                    durable=ways.durable,
                    max_waiting=ways.max_waiting,
                )
            finally:
                self._opening = False
            self._delivery = delivery
            if self._was_down:
                delivery.down()
            self._opened()
            early, self._early = self._early, []
            for record in early:
                delivery.send(record)
            return delivery

    def _open_channel(self) -> Channel:
        with self._lock:
            if self._channel is None:
                self._refuse_if_closed()
                if self._ways.channel is None:
                    raise InvalidConfiguration("Publish records as they are to Kafka, not over HTTP.")
                self._channel = self._ways.channel(self._note_channel_down)
                self._opened()
            return self._channel

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise ClientClosed("Event dropped: capture before shutdown(), or make another client.")

    def _note_channel_down(self) -> None:
        self.channel_down = True

    def _note_down(self) -> None:
        # Noted first: a refused connection is known before the delivery that it concerns is here.
        self._was_down = True
        delivery = self._delivery
        if delivery is not None:
            delivery.down()
