"""One client of the live feed: how far it has come, and what it is to be told next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loopin_api.live.channel import Channel, Reached
from loopin_api.live.frame import Frame, Kind, Message
from loopin_api.live.place import ALERTS, INSIGHTS, METRICS, Offsets, Place, greater
from loopin_api.live.ring import Ring
from loopin_api.live.wanted import Wanted
from loopin_schemas.codec import encode

if TYPE_CHECKING:
    from loopin_api.live.feed import Feed

PARTS: Final[tuple[Kind, ...]] = ("metric", "alert", "insight")
"""What the topics tell of, in the order of a :class:`Place`."""

AT_ONCE: Final = 200
"""Most frames of a topic that a client is given before it is asked whether it has gone on."""

RESETS: Final = {
    "unknown_id": "This id is none of this feed's: read the numbers anew over the query API.",
    "expired": "What came since this id is no longer kept: read the numbers anew over the query API.",
    "too_slow": "What this client has not read is no longer kept: read the numbers anew over the query API.",
    "started_anew": "The topics were made anew: read the numbers anew over the query API.",
}
"""Why a client has to begin anew: code and sentence."""


@dataclass(slots=True)
class Cursor:
    """How far a client has come in one topic.

    ``since`` are the offsets from which on it resumed, as long as the feed, which may have read the
    partitions in another order than the client's last one, has not come as far in each of them.
    """

    reached: Reached
    since: Offsets | None = None

    def read(self, ring: Ring, until: Reached, takes: Callable[[Frame], bool]) -> list[tuple[Frame, Offsets]]:
        """Frames up to there that are new to the client, each with where it is then."""
        found: list[tuple[Frame, Offsets]] = []
        for frame in ring.between(self.reached.seq, until.seq):
            if len(found) == AT_ONCE:
                return found
            known = self.since is not None and frame.offset < self.since[frame.partition]
            self._move(Reached(frame.seq, frame.offsets))
            if not known and takes(frame):
                found.append((frame, self.reached.offsets))
        self.pass_to(until)
        return found

    def pass_to(self, until: Reached) -> None:
        """Go on to there, where nothing concerns the client."""
        if until.seq >= self.reached.seq:
            self._move(until)

    def _move(self, to: Reached) -> None:
        offsets = to.offsets
        if self.since is not None:
            offsets = greater(self.since, offsets)
            if offsets == to.offsets:
                self.since = None
        self.reached = Reached(to.seq, offsets)


class Subscription:
    """A client's place in the feed of a project; ``woken`` is set when there may be something to tell it."""

    __slots__ = (
        *("_channel", "_cursors", "_feed", "_generation", "_online_version", "_reset", "_wanted"),
        *("ended", "woken"),
    )

    def __init__(self, feed: Feed, channel: Channel, wanted: Wanted, last_id: str | None) -> None:
        self.woken = asyncio.Event()
        self.ended = False
        self._feed = feed
        self._channel = channel
        self._wanted = wanted
        self._online_version = 0
        self._reset: str | None = None
        self._begin_now()
        if last_id is not None:
            self._resume(last_id)
        channel.listeners.add(self.woken)

    @property
    def id(self) -> str:
        """Where the client is, to resume from there."""
        return self._place.text(self._feed.epoch)

    @property
    def _place(self) -> Place:
        return Place(*(cursor.reached.offsets for cursor in self._cursors))

    def end(self) -> None:
        """Tell it nothing more."""
        self.ended = True
        self.woken.set()

    def close(self) -> None:
        """Leave the feed."""
        self._channel.leave(self.woken)

    def take(self) -> list[Message]:
        """What the client is to be told now: alerts and insights first, then windows that wait no longer.

        As long as it is not empty, there may be more.
        """
        self.woken.clear()
        if reason := self._must_reset():
            self._begin_now()
            self._feed.instruments.live_resets.labels(reason).inc()
            return [Message("reset", self.id, encode({"reason": reason, "message": RESETS[reason]}))]
        messages = [
            *self._take_told(ALERTS),
            *self._take_told(INSIGHTS),
            *self._take_metrics(),
            *self._take_online(),
        ]
        for message in messages:
            self._feed.instruments.live_messages.labels(message.kind).inc()
        return messages

    def _begin_now(self) -> None:
        feed = self._feed
        self._generation = feed.generation
        self._reset = None
        self._cursors = [Cursor(Reached(feed.seq, offsets)) for offsets in feed.place]

    def _resume(self, last_id: str) -> None:
        place = self._feed.parse(last_id)
        if place is None:
            self._reset = "unknown_id"
            return
        parts = list(zip(PARTS, self._channel.rings, place, strict=True))
        if any(self._wanted.has(kind) and any(map(int.__lt__, at, ring.lost)) for kind, ring, at in parts):
            self._reset = "expired"
        else:
            self._cursors = [Cursor(Reached(ring.lost_seq, offsets), offsets) for _, ring, offsets in parts]

    def _must_reset(self) -> str | None:
        if self._generation != self._feed.generation:
            return "started_anew"
        if self._reset is not None:
            return self._reset
        lost = any(
            self._wanted.has(kind) and cursor.reached.seq < ring.lost_seq
            for kind, ring, cursor in zip(PARTS, self._channel.rings, self._cursors, strict=True)
        )
        return "too_slow" if lost else None

    def _take_told(self, part: int) -> list[Message]:
        return self._take_part(part, Reached(self._feed.seq, self._feed.place[part]), lambda _: True)

    def _take_metrics(self) -> list[Message]:
        until = self._channel.held or Reached(self._feed.seq, self._feed.place.metrics)
        return self._take_part(METRICS, until, self._takes)

    def _takes(self, frame: Frame) -> bool:
        return frame.window is not None and self._wanted.takes(frame.window)

    def _take_part(self, part: int, until: Reached, takes: Callable[[Frame], bool]) -> list[Message]:
        kind, cursor = PARTS[part], self._cursors[part]
        if not self._wanted.has(kind):
            cursor.pass_to(until)
            return []
        found, place, epoch = (
            cursor.read(self._channel.rings[part], until, takes),
            self._place,
            self._feed.epoch,
        )
        return [Message(kind, place.at(part, offsets).text(epoch), frame.data) for frame, offsets in found]

    def _take_online(self) -> list[Message]:
        channel = self._channel
        told = channel.online_version == self._online_version
        if not self._wanted.has("online") or channel.online is None or told:
            return []
        self._online_version = channel.online_version
        return [Message("online", self.id, channel.online)]
