"""What a client of the feed gets, whatever comes in whatever order, and wherever it comes back."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from itertools import chain
from random import Random
from typing import Any

import pytest

from loopin_api.instruments import Instruments
from loopin_api.live.feed import Feed
from loopin_api.live.frame import Message
from loopin_api.live.place import Place
from loopin_api.live.subscription import Subscription
from loopin_api.live.wanted import wanted_of
from tests.api.live.records import ALL, EPOCH, START, Clock, alert, insight, ready_feed, window
from tests.streams.kafka.configured import Record

HOUR_MS = 3_600_000


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def feed(clock: Clock) -> Feed:
    return ready_feed(clock=clock)


async def turns() -> None:
    """Let timers that are due go off."""
    for _ in range(3):
        await asyncio.sleep(0)


async def told(client: Subscription) -> list[Message]:
    """All that a client is told, once what need not wait any longer has been let go."""
    await turns()
    found: list[Message] = []
    while messages := client.take():
        found += messages
    return found


def data(messages: list[Message]) -> list[dict[str, Any]]:
    return [json.loads(message.data) for message in messages]


async def test_a_window_is_told_in_units(feed: Feed) -> None:
    client = feed.subscribe("shop", ALL, None)
    money = {"metric": "revenue", "count": 2, "sum": 12_500_000, "min": -500_000, "max": 13_000_000}
    feed.absorb_metrics(1, [window(7, 3, **money, closed=True)], 9)
    (message,) = await told(client)
    assert (message.kind, message.id) == ("metric", f"{EPOCH}:0.8:0:0")
    assert json.loads(message.data) == {
        "metric": "revenue",
        "dimension": "",
        "dimension_value": "",
        "grain": "minute",
        "start": "2026-01-15T10:30:00.000Z",
        "count": 2,
        "sum": 12.5,
        "min": -0.5,
        "max": 13.0,
        "closed": True,
        "basis": "distinct_ids",
        "revision": 3,
    }
    assert b"\n" not in message.data
    assert client.id == f"{EPOCH}:0.9:0:0"  # past the marker that ended the transaction


async def test_an_alert_is_told_at_once_as_it_is(feed: Feed) -> None:
    client = feed.subscribe("shop", ALL, None)
    feed.absorb_metrics(0, [window(0, 1)], 1)
    feed.absorb_alerts(0, [alert(0, state="firing", dimension={"country": "IN"})], 1)
    (first,) = client.take()  # the window waits for its turn of the event loop
    assert json.loads(first.data) == {
        "id": "alert-0",
        "project": "shop",
        "severity": "warning",
        "state": "firing",
        "dimension": {"country": "IN"},
    }
    assert b"\n" not in first.data
    # Who comes back with its id has not had the window, which came before it.
    again = feed.subscribe("shop", ALL, first.id)
    assert [message.kind for message in await told(again)] == ["metric"]


async def test_others_records_are_never_told(feed: Feed) -> None:
    mine, others = feed.subscribe("shop", ALL, None), feed.subscribe("other", ALL, None)
    feed.absorb_metrics(0, [window(0, 1), window(1, 2, project="other")], 2)
    feed.absorb_alerts(0, [alert(0), alert(1, "other"), alert(2, "")], 3)
    assert [(m.kind, json.loads(m.data).get("project")) for m in await told(mine)] == [
        ("alert", "shop"),
        ("metric", None),
    ]
    assert [one.get("id", one.get("count")) for one in data(await told(others))] == ["alert-1", 2]


async def test_windows_are_told_once_a_second_and_only_their_newest_state(
    feed: Feed, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopin_api.live.channel.COALESCE_S", 3600.0)
    client = feed.subscribe("shop", ALL, None)
    feed.absorb_metrics(0, [window(0, 1)], 1)
    assert [one["count"] for one in data(await told(client))] == [1]
    feed.absorb_metrics(0, [window(1, 2)], 2)
    feed.absorb_metrics(0, [window(2, 3), window(3, 1, start=START - 60_000)], 4)
    assert await told(client) == []
    clock.now += 3600
    feed.channel("shop")._let_go()  # as the timer does
    assert client.woken.is_set()
    assert [one["count"] for one in data(await told(client))] == [3, 1]
    feed.absorb_metrics(0, [window(4, 4)], 5)
    assert await told(client) == []


async def test_what_waits_is_let_go_when_its_time_is_over(feed: Feed, clock: Clock) -> None:
    client = feed.subscribe("shop", ALL, None)
    feed.absorb_metrics(0, [window(0, 1)], 1)
    await told(client)
    clock.now += 0.8
    feed.absorb_metrics(0, [window(1, 2)], 2)
    await client.woken.wait()
    assert [one["count"] for one in data(await told(client))] == [2]


async def test_an_older_state_is_not_told_after_a_newer_one(feed: Feed) -> None:
    client = feed.subscribe("shop", ALL, None)
    feed.absorb_metrics(0, [window(0, 5)], 1)
    feed.absorb_metrics(1, [window(0, 4)], 1)
    assert [one["count"] for one in data(await told(client))] == [5]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {1, 2, 6, 7}),
        ({"types": "alert"}, set()),
        ({"metrics": "revenue,sentiment"}, {2}),
        ({"metrics": "payment_failure_rate"}, {7}),
        ({"grain": "hour,day"}, {6}),
        ({"dimension": "country"}, {1, 2, 4, 6, 7}),
        ({"dimension": "country,event", "metrics": "events", "grain": "minute"}, {1, 3, 4}),
    ],
)
async def test_a_client_gets_what_it_asks_for(feed: Feed, asked: dict[str, str], expected: set[int]) -> None:
    client = feed.subscribe("shop", wanted_of(asked), None)
    records = [
        window(0, 1),
        window(1, 2, metric="revenue"),
        window(2, 3, dimension="event", value="click"),
        window(3, 4, dimension="country", value="IN"),
        window(4, 5, metric="records_rejected", dimension="reason", value="bad"),
        window(5, 6, grain="day"),
        window(6, 7, metric="payment_failure_rate"),
    ]
    feed.absorb_metrics(0, records, 7)
    assert {one["revision"] for one in data(await told(client))} == expected
    assert client.id == f"{EPOCH}:7.0:0:0"  # what it did not ask for, too, lies behind it


async def test_records_that_cannot_be_read_are_passed_over(feed: Feed) -> None:
    client = feed.subscribe("shop", ALL, None)
    broken = [Record(None, body, at) for at, body in enumerate((b"{", b"[]", b'{"project": 3}', b""))]
    feed.absorb_metrics(0, [*broken, window(4, 1)], 5)
    feed.absorb_alerts(0, [*broken, alert(4)], 5)
    feed.absorb_insights(0, [*broken, insight(4)], 5)
    assert [message.kind for message in await told(client)] == ["alert", "insight", "metric"]


async def test_who_was_online_is_forgotten_with_the_last_client(feed: Feed) -> None:
    first = feed.subscribe("shop", ALL, None)
    channel = feed.channel("shop")
    for said in (b"[1]", b"[1]", b"[2]"):
        channel.tell_online(said)
    assert [message.data for message in await told(first)] == [b"[2]"]
    channel.forget_online()
    second = feed.subscribe("shop", ALL, None)
    assert await told(second) == []
    channel.tell_online(b"[2]")
    for client in (first, second):
        assert [message.data for message in await told(client)] == [b"[2]"]


async def test_who_comes_too_late_begins_anew(feed: Feed, clock: Clock) -> None:
    first = feed.subscribe("shop", ALL, None)
    quiet = feed.subscribe("quiet", ALL, None)
    last_id, quiet_id = first.id, quiet.id
    for client in (first, quiet):
        client.close()
    feed.absorb_metrics(0, [window(0, 1)], 1)
    clock.now += 299
    feed.absorb_alerts(0, [alert(0)], 1)
    feed.tidy()
    back = feed.subscribe("shop", ALL, last_id)
    assert [message.kind for message in await told(back)] == ["alert", "metric"]
    back.close()

    clock.now += 2
    feed.tidy()
    late = feed.subscribe("shop", ALL, last_id)
    (reset,) = await told(late)
    assert (reset.kind, json.loads(reset.data)["reason"]) == ("reset", "expired")
    feed.absorb_alerts(0, [alert(1)], 2)
    assert [one["id"] for one in data(await told(late))] == ["alert-1"]
    # Neither who asks for alerts only, of which none is gone, nor another project has missed anything.
    alerts = feed.subscribe("shop", wanted_of({"types": "alert"}), last_id)
    assert [one["id"] for one in data(await told(alerts))] == ["alert-0", "alert-1"]
    assert await told(feed.subscribe("quiet", ALL, quiet_id)) == []


async def test_a_project_that_was_forgotten_has_missed_what_was_let_go(feed: Feed, clock: Clock) -> None:
    client = feed.subscribe("shop", ALL, None)
    last_id = client.id
    client.close()
    feed.absorb_metrics(0, [window(0, 1)], 1)
    clock.now += 301
    feed.tidy()
    assert feed.size == 0
    (reset,) = await told(feed.subscribe("shop", ALL, last_id))
    assert json.loads(reset.data)["reason"] == "expired"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "7",
            "nonsense",
            f"{EPOCH}:1.1:1:",
            f"{EPOCH}:1:1:1",
            f"{EPOCH}:1.1:1.1:1",
            f"{EPOCH}:-1.1:1:1",
        ),
        *("89abcdef:1.1:1:1", f"{EPOCH}:{'1' * 30}.1:1:1", f"{EPOCH}:1.1:1:1\n", f"{EPOCH}:1.1:1"),
        "9" * 100_000,
    ],
)
async def test_an_id_of_another_feed_begins_anew(feed: Feed, text: str) -> None:
    (reset,) = await told(feed.subscribe("shop", ALL, text))
    assert (reset.kind, json.loads(reset.data)["reason"]) == ("reset", "unknown_id")


async def test_topics_that_are_made_anew_begin_anew(feed: Feed) -> None:
    client = feed.subscribe("shop", ALL, None)
    feed.absorb_metrics(0, [window(0, 1)], 1)
    feed.begin("89abcdef", Place((0, 0), (0,), (0,)))
    assert client.woken.is_set()
    feed.absorb_alerts(0, [alert(0)], 1)
    (reset,) = await told(client)
    assert (reset.id, json.loads(reset.data)["reason"]) == ("89abcdef:0.0:1:0", "started_anew")
    feed.absorb_alerts(0, [alert(1)], 2)
    assert [one["id"] for one in data(await told(client))] == ["alert-1"]


async def test_what_is_kept_is_bounded_and_the_busiest_pays(clock: Clock) -> None:
    feed = ready_feed(Feed(Instruments(), clock, max_bytes=1_000_000))
    quiet = feed.subscribe("quiet", ALL, None)
    busy = feed.subscribe("shop", ALL, None)
    feed.absorb_alerts(0, [alert(0, "quiet")], 1)
    records = [window(number, 1, start=START + number * HOUR_MS, grain="hour") for number in range(5000)]
    feed.absorb_metrics(0, records, 5000)
    assert feed.size > 1_000_000
    feed.tidy()
    assert 500_000 < feed.size <= 1_000_000
    assert [one["id"] for one in data(await told(quiet))] == ["alert-0"]
    (reset,) = await told(busy)
    assert json.loads(reset.data)["reason"] == "too_slow"
    feed.absorb_metrics(0, [window(5000, 2)], 5001)
    clock.now += 1
    await busy.woken.wait()
    assert [one["count"] for one in data(await told(busy))] == [2]


class Wanderer:
    """A client that loses its connection in the middle of what it gets, and comes back to any process."""

    def __init__(self, feeds: list[Feed], dice: Random) -> None:
        self._feeds = feeds
        self._dice = dice
        self._client = feeds[0].subscribe("shop", ALL, None)
        self._last_id = self._client.id
        self.states: dict[tuple[str, int], list[int]] = defaultdict(list)
        self.told: dict[str, list[str]] = {"alert": [], "insight": []}

    def go_on(self, steady: bool = False) -> bool:
        """Take what there is, or a part; whether there was anything."""
        messages = self._client.take()
        lost = not steady and self._dice.random() < 0.3
        for message in messages[: self._dice.randrange(len(messages) + 1)] if lost else messages:
            one = json.loads(message.data)
            self._last_id = message.id
            if message.kind in self.told:
                self.told[message.kind].append(one["id"])
            else:
                assert message.kind == "metric"
                self.states[one["metric"], one["min"]].append(one["revision"])
        if lost:
            self._client.close()
            self._client = self._dice.choice(self._feeds).subscribe("shop", ALL, self._last_id)
        elif self._dice.random() < 0.3:
            self._last_id = self._client.id  # as a heartbeat says it
        return bool(messages)


@pytest.mark.parametrize("seed", range(20))
async def test_a_client_that_comes_back_to_any_process_misses_nothing_and_gets_nothing_twice(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = Random(seed)
    monkeypatch.setattr("loopin_api.live.channel.COALESCE_S", 0.0)
    monkeypatch.setattr("loopin_api.live.subscription.AT_ONCE", dice.choice([1, 3, 200]))
    feeds = [ready_feed(metrics=3) for _ in range(2)]
    logs: list[list[Record]] = [[], [], [], [], []]
    for revision in range(400):
        partition = dice.randrange(5)
        # Offsets have gaps, where transactions end.
        offset = logs[partition][-1].offset + dice.choice([1, 1, 2]) if logs[partition] else 0
        project = dice.choice(["shop", "shop", "other"])
        if partition >= 3:
            logs[partition].append((alert, insight)[partition - 3](offset, project))
        else:
            minute = dice.randrange(4)
            series = {"start": START + minute * 60_000, "min": minute * 1_000_000}
            metric = ("events", "revenue", "sentiment")[partition]
            logs[partition].append(window(offset, revision, metric=metric, project=project, **series))
    read = [[0] * 5 for _ in feeds]

    def absorb(number: int) -> None:
        partition = dice.randrange(5)
        begun = read[number][partition]
        records = logs[partition][begun : begun + dice.randrange(8)]
        read[number][partition] += len(records)
        if records:
            feed = feeds[number]
            absorb = {3: feed.absorb_alerts, 4: feed.absorb_insights}.get(partition, feed.absorb_metrics)
            absorb(0 if partition >= 3 else partition, records, records[-1].offset + 1)

    wanderer = Wanderer(feeds, dice)
    while any(sum(each) < 400 for each in read):
        absorb(dice.randrange(2))
        await turns()
        wanderer.go_on()
    await turns()
    while wanderer.go_on(steady=True):
        await turns()

    found = [[json.loads(record.value or b"") for record in log] for log in logs]
    *metrics, alerts, insights = [[one for one in log if one["project"] == "shop"] for log in found]
    newest: dict[tuple[str, int], int] = {}
    for one in chain(*metrics):
        at = (one["metric"], one["min"] / 1_000_000)
        newest[at] = max(one["revision"], newest.get(at, 0))
    assert {at: seen[-1] for at, seen in wanderer.states.items()} == newest
    assert all(seen == sorted(set(seen)) for seen in wanderer.states.values())
    assert wanderer.told["alert"] == [one["id"] for one in alerts]
    assert wanderer.told["insight"] == [one["id"] for one in insights]
