"""One client of the live feed: how far it has come, and what it is to be told next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loopin_api.live.channel import Channel, Reached
from loopin_api.live.frame import Frame, Message
from loopin_api.live.place import Offsets, Place, greater
from loopin_api.live.ring import Ring
from loopin_api.live.wanted import Wanted
from loopin_schemas.codec import encode

if TYPE_CHECKING:
    from loopin_api.live.feed import Feed

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
        *("_alerts", "_channel", "_feed", "_generation", "_metrics", "_online_version", "_reset", "_wanted"),
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
        place = Place(self._metrics.reached.offsets, self._alerts.reached.offsets)
        return place.text(self._feed.epoch)

    def end(self) -> None:
        """Tell it nothing more."""
        self.ended = True
        self.woken.set()

    def close(self) -> None:
        """Leave the feed."""
        self._channel.leave(self.woken)

    def take(self) -> list[Message]:
        """What the client is to be told now: alerts first, then windows that wait no longer.

        As long as it is not empty, there may be more.
        """
        self.woken.clear()
        if reason := self._must_reset():
            self._begin_now()
            self._feed.instruments.live_resets.labels(reason).inc()
            return [Message("reset", self.id, encode({"reason": reason, "message": RESETS[reason]}))]
        messages = [*self._take_alerts(), *self._take_metrics(), *self._take_online()]
        for message in messages:
            self._feed.instruments.live_messages.labels(message.kind).inc()
        return messages

    def _begin_now(self) -> None:
        feed = self._feed
        self._generation = feed.generation
        self._reset = None
        self._metrics = Cursor(Reached(feed.seq, feed.place.metrics))
        self._alerts = Cursor(Reached(feed.seq, feed.place.alerts))

    def _resume(self, last_id: str) -> None:
        place = self._feed.parse(last_id)
        if place is None:
            self._reset = "unknown_id"
            return
        for kind, ring, offsets in (
            ("metric", self._channel.metrics, place.metrics),
            ("alert", self._channel.alerts, place.alerts),
        ):
            if kind in self._wanted.types and any(map(int.__lt__, offsets, ring.lost)):
                self._reset = "expired"
        if self._reset is None:
            self._metrics = Cursor(Reached(self._channel.metrics.lost_seq, place.metrics), place.metrics)
            self._alerts = Cursor(Reached(self._channel.alerts.lost_seq, place.alerts), place.alerts)

    def _must_reset(self) -> str | None:
        if self._generation != self._feed.generation:
            return "started_anew"
        if self._reset is not None:
            return self._reset
        channel, wanted = self._channel, self._wanted
        lost = (wanted.has("metric") and self._metrics.reached.seq < channel.metrics.lost_seq) or (
            wanted.has("alert") and self._alerts.reached.seq < channel.alerts.lost_seq
        )
        return "too_slow" if lost else None

    def _take_alerts(self) -> list[Message]:
        until = Reached(self._feed.seq, self._feed.place.alerts)
        if not self._wanted.has("alert"):
            self._alerts.pass_to(until)
            return []
        found = self._alerts.read(self._channel.alerts, until, lambda _: True)
        metrics = self._metrics.reached.offsets
        return [self._message("alert", Place(metrics, offsets), frame) for frame, offsets in found]

    def _take_metrics(self) -> list[Message]:
        until = self._channel.held or Reached(self._feed.seq, self._feed.place.metrics)
        if not self._wanted.has("metric"):
            self._metrics.pass_to(until)
            return []
        found = self._metrics.read(self._channel.metrics, until, self._takes)
        alerts = self._alerts.reached.offsets
        return [self._message("metric", Place(offsets, alerts), frame) for frame, offsets in found]

    def _takes(self, frame: Frame) -> bool:
        return frame.window is not None and self._wanted.takes(frame.window)

    def _message(self, kind: str, place: Place, frame: Frame) -> Message:
        return Message(kind, place.text(self._feed.epoch), frame.data)

    def _take_online(self) -> list[Message]:
        channel = self._channel
        told = channel.online_version == self._online_version
        if not self._wanted.has("online") or channel.online is None or told:
            return []
        self._online_version = channel.online_version
        return [Message("online", self.id, channel.online)]
