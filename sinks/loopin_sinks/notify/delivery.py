"""The deliveries of one channel: one at a time, what fails again after a pause, with others in between."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic, time
from typing import Any

import structlog

from loopin_schemas.alert import Alert
from loopin_schemas.notification import Notification, Outcome
from loopin_sinks.notify.answer import Answer, Later, Refused, Taken
from loopin_sinks.notify.backoff import backoff_s
from loopin_sinks.notify.channel import Teller
from loopin_sinks.notify.unsettled import Unsettled
from loopin_sinks.notify.waiting import Waiting, WaitingRoom

log = structlog.get_logger(__name__)

Note = Callable[[Notification], Awaitable[None]]
"""Writes down what became of a notification."""


Stopped = asyncio.Task[Any]


class Delivery:
    """Tells one channel.

    Records of one alert arrive in order. What fails for the moment is tried again after a pause, and other
    alerts are told meanwhile; after ``retry_s`` seconds it counts as failed. Projects take turns; where too
    many wait, the project that has the most of them loses its newest.
    """

    def __init__(self, name: str, teller: Teller, note: Note, *, retry_s: float, most: int) -> None:
        self.name = name
        self.outcomes: Counter[Outcome] = Counter()
        self.retries = 0
        self._teller = teller
        self._note = note
        self._retry_s = retry_s
        self._room = WaitingRoom(most)
        self._added = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Notifications that wait, one that is under way included."""
        return len(self._room)

    @property
    def oldest_s(self) -> float:
        """For how long the oldest of them has waited, in seconds."""
        since = self._room.oldest_since
        return 0.0 if since is None else monotonic() - since

    async def offer(self, alert: Alert, offset: int, unsettled: Unsettled) -> None:
        """Take a record, or drop one where too many wait; ``unsettled`` hears when one is done."""
        now = monotonic()
        waiting = Waiting(alert, offset, unsettled, since=now, due=now)
        dropped = (self._room.give_way(alert.project) or waiting) if self._room.full else None
        if dropped is not waiting:
            self._room.add(waiting)
            self._added.set()
        if dropped is not None:
            await self._settle(dropped, "dropped", "too many others waited")

    def forget(self) -> None:
        """Leave what waits to whoever takes the topic over."""
        self._room.clear()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until ``stop`` is set and the attempt under way has ended."""
        stopped: Stopped = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                self._added.clear()
                found = self._room.next(monotonic())
                pause_s = None if found is None else found.at - monotonic()
                if found is None or (pause_s is not None and pause_s > 0):
                    await self._rest(stopped, pause_s)
                else:
                    await self._attempt(found.waiting)
        finally:
            stopped.cancel()
            await self._teller.close()

    async def _rest(self, stopped: Stopped, pause_s: float | None) -> None:
        """Until something is added or the role is told to stop, at most so many seconds."""
        added: Stopped = asyncio.ensure_future(self._added.wait())
        await asyncio.wait([stopped, added], timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
        added.cancel()
        with suppress(asyncio.CancelledError):
            await added

    async def _attempt(self, waiting: Waiting) -> None:
        waiting.attempts += 1
        self._room.tried(waiting)
        answer = await self._told(waiting.alert)
        if isinstance(answer, Taken):
            await self._settle(waiting, "delivered")
        elif isinstance(answer, Refused) or monotonic() - waiting.since >= self._retry_s:
            await self._settle(waiting, "failed", answer.reason)
        else:
            self._postpone(waiting, answer)

    async def _told(self, alert: Alert) -> Answer:
        try:
            return await self._teller.deliver(alert)
        except Exception as error:
            # A library's defect is one channel's misfortune; its text may hold an address.
            return Later(f"the channel failed ({type(error).__name__})")

    def _postpone(self, waiting: Waiting, answer: Later) -> None:
        now = monotonic()
        waiting.due = now + backoff_s(waiting.attempts)
        if answer.after_s is not None:
            self._room.rest(now + answer.after_s)
        self.retries += 1
        log.warning(
            "notification_postponed",
            channel=self.name,
            alert=waiting.alert.id,
            attempts=waiting.attempts,
            reason=answer.reason,
        )

    async def _settle(self, waiting: Waiting, outcome: Outcome, reason: str = "") -> None:
        alert = waiting.alert
        await self._note(
            Notification(
                channel=self.name,
                alert=alert.id,
                sequence=alert.sequence,
                event=alert.event,
                project=alert.project,
                outcome=outcome,
                attempts=waiting.attempts,
                reason=reason,
                at=int(time() * 1000),
            )
        )
        told = log.info if outcome == "delivered" else log.error
        told("notification", channel=self.name, alert=alert.id, outcome=outcome, reason=reason or None)
        self.outcomes[outcome] += 1
        self._room.done(waiting)
        waiting.unsettled.settle(waiting.offset)
