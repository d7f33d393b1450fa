"""A channel's deliveries: order, pauses, giving up, and that nobody is held up by another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic

import pytest

from loopin_schemas.alert import Alert
from loopin_schemas.notification import Notification
from loopin_sinks.notify import backoff
from loopin_sinks.notify.answer import Answer, Later, Refused, Taken
from loopin_sinks.notify.backoff import backoff_s
from loopin_sinks.notify.delivery import Delivery
from loopin_sinks.notify.unsettled import Unsettled
from tests.sinks.notify.told import DEADLINE_S, alert, eventually


class Scripted:
    """A channel that answers by a function of the alert and of how often it was asked for that record."""

    def __init__(self, answer: Callable[[Alert, int], Answer] = lambda _alert, _times: Taken()) -> None:
        self.tried: list[tuple[str, int]] = []
        self.closed = False
        self._answer = answer

    async def deliver(self, what: Alert) -> Answer:
        self.tried.append((what.id[-1], what.sequence))
        return self._answer(what, self.tried.count(self.tried[-1]))

    async def close(self) -> None:
        self.closed = True


class Deliveries:
    """A delivery at work, and what it notes."""

    def __init__(self, teller: Scripted, retry_s: float = 3600, most: int = 100) -> None:
        self.notes: list[Notification] = []
        self.unsettled = Unsettled(0)
        self.delivery = Delivery("ops", teller, self._note, retry_s=retry_s, most=most)
        self._offset = 0

    async def _note(self, notification: Notification) -> None:
        self.notes.append(notification)

    async def offer(self, *alerts: Alert) -> None:
        for one in alerts:
            self.unsettled.add(self._offset, 1)
            await self.delivery.offer(one, self._offset, self.unsettled)
            self._offset += 1
            self.unsettled.position = self._offset

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        task = asyncio.create_task(self.delivery.run(stop))
        try:
            yield
        finally:
            stop.set()
            async with asyncio.timeout(DEADLINE_S):
                await task

    async def noted(self, number: int) -> list[tuple[str, int, str]]:
        await eventually(lambda: len(self.notes) >= number)
        return [(note.alert[-1], note.sequence, note.outcome) for note in self.notes]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 0.01)
    monkeypatch.setattr(backoff, "LONGEST_S", 0.05)


async def test_what_is_taken_is_noted_and_done() -> None:
    teller = Scripted()
    at = Deliveries(teller)
    await at.offer(alert(1), alert(2))
    assert at.unsettled.committable == 0
    async with at.working():
        await at.noted(2)
    assert teller.closed
    assert at.unsettled.committable == 2
    assert at.delivery.waiting == 0
    assert at.delivery.outcomes == {"delivered": 2}
    note = at.notes[0]
    assert (note.channel, note.alert, note.sequence, note.attempts) == ("ops", alert(1).id, 1, 1)
    assert (note.event, note.project, note.reason) == ("fired", "shop", "")


async def test_the_records_of_an_alert_stay_in_order_and_others_pass_by() -> None:
    """Alert 1 fails three times: 2 is told meanwhile, and 1's second record only after its first."""
    teller = Scripted(
        lambda what, times: (
            Later("busy") if what.sequence == 1 and what.id[-1] == "1" and times <= 3 else Taken()
        )
    )
    at = Deliveries(teller)
    await at.offer(alert(1, 1), alert(1, 2), alert(2, 1))
    async with at.working():
        assert await at.noted(3) == [("2", 1, "delivered"), ("1", 1, "delivered"), ("1", 2, "delivered")]
    assert [tried for tried in teller.tried if tried[0] == "1"] == [("1", 1)] * 4 + [("1", 2)]
    assert at.delivery.retries == 3
    assert at.notes[1].attempts == 4


async def test_what_is_refused_is_not_tried_again_and_the_next_is() -> None:
    teller = Scripted(lambda what, _: Refused("it answered 401") if what.sequence == 1 else Taken())
    at = Deliveries(teller)
    await at.offer(alert(1, 1), alert(1, 2))
    async with at.working():
        assert await at.noted(2) == [("1", 1, "failed"), ("1", 2, "delivered")]
    assert teller.tried == [("1", 1), ("1", 2)]
    assert at.notes[0].reason == "it answered 401"
    assert at.unsettled.committable == 2


async def test_what_fails_for_too_long_counts_as_failed() -> None:
    at = Deliveries(Scripted(lambda *_: Later("no connection")), retry_s=0)
    await at.offer(alert(1), alert(2))
    async with at.working():
        assert await at.noted(2) == [("1", 1, "failed"), ("2", 1, "failed")]
    assert {note.reason for note in at.notes} == {"no connection"}


async def test_a_channel_that_asks_for_rest_gets_it_from_all_alerts() -> None:
    teller = Scripted(lambda *_: Later("it answered 429", 3600))
    at = Deliveries(teller)
    async with at.working():
        await at.offer(alert(1))
        await eventually(lambda: at.delivery.retries)
        await at.offer(alert(2))
    assert teller.tried == [("1", 1)]
    following = at.delivery._room.next(monotonic())
    assert following is not None
    assert following.at - monotonic() > 3000
    assert at.delivery.waiting == 2
    assert at.delivery.oldest_s > 0


async def test_a_defect_of_a_channel_is_tried_again_and_its_text_not_told() -> None:
    def fail_once(_: Alert, times: int) -> Answer:
        if times == 1:
            raise RuntimeError("https://user:hunter2@host")
        return Refused("x") if times == 2 else Taken()

    at = Deliveries(Scripted(fail_once))
    await at.offer(alert())
    async with at.working():
        assert await at.noted(1) == [("1", 1, "failed")]
    assert at.delivery.retries == 1


async def test_beyond_the_bound_is_dropped_and_noted() -> None:
    at = Deliveries(Scripted(), most=2)
    await at.offer(alert(1), alert(2), alert(3))
    assert [(note.alert[-1], note.outcome, note.attempts) for note in at.notes] == [("3", "dropped", 0)]
    async with at.working():
        assert len(await at.noted(3)) == 3
        await at.offer(alert(4))
        assert (await at.noted(4))[-1] == ("4", 1, "delivered")


def noisy(number: int, *, project: str = "noisy") -> Alert:
    return alert(number, id=f"{project}:{number}", project=project)


async def test_a_project_with_many_holds_up_no_other() -> None:
    teller = Scripted()
    at = Deliveries(teller)
    await at.offer(*(noisy(number) for number in range(8)))
    await at.offer(noisy(8, project="quiet"), noisy(9, project="still"))
    async with at.working():
        told = [number for number, _, _ in await at.noted(10)]
    assert set(told[:3]) == {"0", "8", "9"}
    assert told[3:] == [str(number) for number in range(1, 8)]


async def test_where_there_is_no_room_whoever_has_the_most_gives_way() -> None:
    at = Deliveries(Scripted(), most=4)
    await at.offer(*(noisy(number) for number in range(4)))
    await at.offer(*(noisy(number, project="quiet") for number in (7, 8, 9)))
    # Each has two then, and the third of the quiet one is as one too many as any other.
    assert [(note.project, note.alert[-1], note.outcome) for note in at.notes] == [
        ("noisy", "3", "dropped"),
        ("noisy", "2", "dropped"),
        ("quiet", "9", "dropped"),
    ]
    async with at.working():
        told = await at.noted(7)
    assert sorted(number for number, _, outcome in told if outcome == "delivered") == ["0", "1", "7", "8"]
    assert at.unsettled.committable == 7
    assert at.delivery.outcomes == {"dropped": 3, "delivered": 4}


async def test_what_is_forgotten_is_not_told() -> None:
    teller = Scripted()
    at = Deliveries(teller)
    await at.offer(alert(1), alert(2))
    at.delivery.forget()
    async with at.working():
        await at.offer(alert(3))
        assert await at.noted(1) == [("3", 1, "delivered")]
    assert teller.tried == [("3", 1)]


def test_pauses_grow_to_a_minute_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for attempts, longest in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (500, 60)]:
        found = [backoff_s(attempts) for _ in range(50)]
        assert all(longest / 2 < pause <= longest for pause in found)
        assert len(set(found)) > 1
