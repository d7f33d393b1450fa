"""What comes on the topics that the live feed tells of, for the clients that listen in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import structlog

from loopin_api.instruments import Instruments
from loopin_api.live.channel import Channel, Reached
from loopin_api.live.frame import Frame, read_told, read_window
from loopin_api.live.place import ALERTS, INSIGHTS, METRICS, Place, greater, parse_place
from loopin_api.live.ring import Ring
from loopin_api.live.subscription import Subscription
from loopin_api.live.wanted import Wanted
from loopin_streams.kafka.batch import Record

log = structlog.get_logger(__name__)

KEEP_S: Final = 300.0
"""For how long a frame is kept, so that clients may come back."""

MAX_BYTES: Final = 64 << 20
"""Bytes that all frames may take, about; beyond it, the project with the most loses its oldest first."""


class Feed:
    """The last minutes of the topics by project; used by one event loop only.

    Of the windows only the newest state of each is kept: a client that falls behind skips the others.

    Args:
        instruments: what is counted.
        clock: seconds.
        max_bytes: bound on what is kept.
    """

    def __init__(
        self,
        instruments: Instruments,
        clock: Callable[[], float] = time.monotonic,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.instruments = instruments
        self.epoch = ""
        self.generation = 0
        self.seq = 0
        self.place = Place((), (), ())
        self.ready = False
        self._lost = self.place
        self._channels: dict[str, Channel] = {}
        self._clock = clock
        self._max_bytes = max_bytes

    def begin(self, epoch: str, start: Place) -> None:
        """Follow other topics than before, from these offsets on; clients have to begin anew.

        ``ready`` is to be set once what there is has been absorbed: it is no news.
        """
        listened = {name: channel for name, channel in self._channels.items() if channel.listeners}
        self.epoch, self.place, self._lost, self.ready = epoch, start, start, False
        self.generation += 1
        self._channels = listened
        for channel in listened.values():
            channel.begin(start)
            channel.wake()

    def parse(self, last_id: str) -> Place | None:
        """The place that an id of this feed, in this process or another one, names."""
        return parse_place(last_id, self.epoch, self.place)

    def subscribe(self, project: str, wanted: Wanted, last_id: str | None) -> Subscription:
        """A client that listens from now on, or from where the id says."""
        return Subscription(self, self.channel(project), wanted, last_id)

    def channel(self, project: str) -> Channel:
        """A project's part."""
        found = self._channels.get(project)
        if found is None:
            found = self._channels[project] = Channel(self._lost, self._clock)
        return found

    def absorb_metrics(self, partition: int, records: Sequence[Record], position: int) -> None:
        """Take in what a partition of ``metrics`` brought; ``position`` is the offset after it."""
        for record in records:
            try:
                window = read_window(record.value or b"")
            except (ValueError, RecursionError) as error:
                _unreadable("metrics", partition, record, error)
                continue
            channel = self.channel(window.project)
            key = (window.metric, window.dimension, window.value, window.grain, window.start)
            known = channel.rings.metrics.get(key)
            if known is not None and known.window is not None and known.window.revision > window.revision:
                continue  # written before what is known, on a partition that is read later
            channel.hold(Reached(self.seq, self.place.metrics))
            frame = self._frame(METRICS, partition, record)
            frame.window = window
            channel.rings.metrics.put(key, frame)
        self._pass(METRICS, partition, position)

    def absorb_alerts(self, partition: int, records: Sequence[Record], position: int) -> None:
        """The same of ``alerts``."""
        self._absorb_told(ALERTS, partition, records, position)

    def absorb_insights(self, partition: int, records: Sequence[Record], position: int) -> None:
        """The same of ``insights``."""
        self._absorb_told(INSIGHTS, partition, records, position)

    def _absorb_told(self, part: int, partition: int, records: Sequence[Record], position: int) -> None:
        told: set[Channel] = set()
        for record in records:
            try:
                project, data = read_told(record.value or b"")
            except (ValueError, RecursionError) as error:
                _unreadable(Place._fields[part], partition, record, error)
                continue
            channel = self.channel(project)
            frame = self._frame(part, partition, record)
            frame.data = data
            channel.rings[part].put((partition, record.offset), frame)
            told.add(channel)
        self._pass(part, partition, position)
        for channel in told:
            channel.wake()

    def tidy(self) -> None:
        """Let go of what is too old, or too much."""
        before = self._clock() - KEEP_S
        for ring in self._rings():
            ring.lose_before(before)
        self._shrink()
        for project in [name for name, channel in self._channels.items() if channel.idle]:
            channel = self._channels.pop(project)
            # A client of it may still come back with an id from before.
            self._lost = Place(
                *(greater(lost, ring.lost) for lost, ring in zip(self._lost, channel.rings, strict=True))
            )
        self.instruments.live_kept.set(self.size)

    @property
    def size(self) -> int:
        """Bytes that all frames take, about."""
        return sum(ring.size for ring in self._rings())

    def _rings(self) -> Iterator[Ring]:
        for channel in self._channels.values():
            yield from channel.rings

    def _shrink(self) -> None:
        size = self.size
        while size > self._max_bytes:
            ring = max(self._rings(), key=lambda ring: ring.size)
            size -= ring.size
            ring.lose(1 + len(ring) // 10)
            size += ring.size

    def _frame(self, part: int, partition: int, record: Record) -> Frame:
        self.seq += 1
        self._pass(part, partition, record.offset + 1)
        offsets = self.place[part]
        size = len(record.value or b"")
        return Frame(self.seq, self._clock(), partition, record.offset, offsets, size)

    def _pass(self, part: int, partition: int, position: int) -> None:
        offsets = self.place[part]
        if position > offsets[partition]:
            passed = (*offsets[:partition], position, *offsets[partition + 1 :])
            self.place = self.place.at(part, passed)


def _unreadable(topic: str, partition: int, record: Record, error: Exception) -> None:
    log.error(
        "live_record_unreadable",
        topic=topic,
        partition=partition,
        offset=record.offset,
        reason=str(error)[:200],
    )
