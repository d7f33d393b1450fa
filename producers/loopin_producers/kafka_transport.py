"""Straight to the broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from loopin_producers.channel import Channel
from loopin_producers.errors import DeliveryFailed
from loopin_producers.spool import SpooledRecord
from loopin_producers.transport import Settle


class KafkaTransport:
    """A channel that sends to one topic.

    Args:
        config: librdkafka's configuration.
        topic: where the records go.
        report_all: also tell of what was acknowledged, not of failures only.
        on_down: called in the background thread when no broker can be reached.
    """

    def __init__(
        self, config: Mapping[str, Any], topic: str, *, report_all: bool, on_down: Callable[[], object]
    ) -> None:
        self._channel = Channel(config, only_failures=not report_all, on_down=on_down)
        self._topic = topic
        self.wait_below = self._channel.wait_below
        self.purge = self._channel.purge
        self.close = self._channel.close
        self.abandon = self._channel.abandon

    @property
    def counts(self) -> tuple[int, int, int]:
        """Records queued, acknowledged and failed so far."""
        return self._channel.counts

    @property
    def is_settling_here(self) -> bool:
        """Whether this is the thread that settles."""
        return self._channel.is_settling_here

    def send(self, record: SpooledRecord, settle: Settle) -> None:
        """Queue a record; returns at once. Raises QueueFull, ClientClosed or DeliveryFailed."""
        self._channel.send(self._topic, record.key, record.value, _Outcome(settle, record))


class _Outcome(msgspec.Struct, gc=False):
    """``settle`` of one record; nothing for the garbage collector to count, as a ``partial`` is."""

    settle: Settle
    record: SpooledRecord

    def __call__(self, failure: DeliveryFailed | None, partition: int, offset: int) -> None:
        self.settle(self.record, failure, partition, offset)
