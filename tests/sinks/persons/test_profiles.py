"""Profiles from their topic to the store: the newest of each id, field by field."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from confluent_kafka import Producer

from loopin_schemas.codec import encode
from loopin_schemas.profile import Profile, Session
from loopin_sinks.persons.profile_sink import ProfileSink
from tests.sinks.asking import until
from tests.sinks.metrics.topic import caught_up, running
from tests.sinks.persons.journal import Journal

DAY_MS = 86_400_000
T = 1_800_000_000_000 // DAY_MS * DAY_MS


def some_profile(dice: random.Random) -> Profile:
    first = T - dice.randrange(200 * DAY_MS)
    last = first + dice.randrange(100 * DAY_MS)
    bits = 1 | dice.getrandbits(dice.randrange(1, 129))
    return Profile(
        first_seen=first,
        last_seen=last,
        events=dice.randrange(1, 10**9),
        session=Session(last - dice.randrange(DAY_MS), last, dice.randrange(1, 50)),
        active_day=last // DAY_MS,
        active_days=bits.to_bytes(17, "big"),
        sessions=dice.randrange(1, 1000),
        revenue={
            code: dice.randrange(-(10**15), 10**15)
            for code in dice.sample(["", "INR", "EUR", "USD"], dice.randrange(3))
        },
    )


def moment(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def plain(profile: Profile) -> dict[str, Any]:
    """The row that says it, in plain Python."""
    session = profile.session
    return {
        "first_seen": moment(profile.first_seen),
        "last_seen": moment(profile.last_seen),
        "events": profile.events,
        "sessions": profile.sessions,
        "session_started": moment(session.started),
        "session_last": moment(session.last),
        "session_events": session.events,
        "revenue": {code: Decimal(amount) / 1_000_000 for code, amount in profile.revenue.items()},
        "active_days": sorted(days(profile)),
    }


async def row_of(journal: Journal, user: str, project: str = "demo") -> dict[str, Any] | None:
    """What is stored of an id; None for nothing."""
    rows = await journal.store.query(
        "SELECT first_seen, last_seen, events, sessions, session_started, session_last, session_events, "
        "currencies, revenues, arraySort(active_days) AS active_days FROM profiles FINAL "
        "WHERE project = {project:String} AND distinct_id = {user:String}",
        {"project": project, "user": user},
    )
    if not rows:
        return None
    [row] = rows
    revenue = dict(zip(row.pop("currencies"), row.pop("revenues"), strict=True))
    return {**row, "revenue": revenue}


def days(profile: Profile) -> Iterable[date]:
    written = bin(int.from_bytes(profile.active_days, "big"))[:1:-1]
    for back, bit in enumerate(written):
        if bit == "1":
            yield date(1970, 1, 1) + timedelta(days=profile.active_day - back)


def sink_of(journal: Journal, topic_id: str | None = None) -> ProfileSink:
    return ProfileSink(journal.settings, journal.store, topic_id or journal.topic_ids["profiles"])


class Publisher:
    def __init__(self, journal: Journal) -> None:
        self._producer = Producer({"bootstrap.servers": journal.settings.kafka_bootstrap, "linger.ms": 0})
        self._topic = journal.settings.topic("profiles")
        self.ends = {0: 0, 1: 0}

    def publish(self, key: str | bytes, profile: Profile | bytes | None, partition: int = 0) -> None:
        value = encode(profile) if isinstance(profile, Profile) else profile
        self._producer.produce(self._topic, value, key, partition=partition)
        assert self._producer.flush(60) == 0
        self.ends[partition] += 1


async def test_every_id_has_a_row_of_its_newest_profile(journal: Journal) -> None:
    dice = random.Random(3)
    topic = Publisher(journal)
    profiles = {
        (project, each): some_profile(dice) for each in ("u", "a:1", "b") for project in ("demo", "shop")
    }
    for number, ((project, each), profile) in enumerate(profiles.items()):
        topic.publish(f"{project}:{each}", some_profile(dice), number % 2)
        topic.publish(f"{project}:{each}", profile, number % 2)
    sink = sink_of(journal)
    async with running(sink):
        await caught_up(sink, topic.ends)
    assert sink.unreadable == 0
    for (project, each), profile in profiles.items():
        assert await row_of(journal, each, project) == plain(profile)
    assert await row_of(journal, "nobody") is None


async def test_the_newest_counts_also_of_a_topic_that_was_made_anew(journal: Journal) -> None:
    dice = random.Random(5)
    topic = Publisher(journal)
    earlier, later = some_profile(dice), some_profile(dice)
    for _ in range(3):
        topic.publish("demo:u", earlier)
    sink = sink_of(journal)
    async with running(sink):
        await caught_up(sink, topic.ends)
    topic.publish("demo:other", None)
    topic.publish("demo:other", b"[]")
    again = sink_of(journal)
    async with running(again):
        await caught_up(again, topic.ends)
    assert (again.read_records, again.unreadable) == (2, 1)
    # All of it is read again, now as of another topic of that name.
    remade = sink_of(journal, "22222222-2222-4222-8222-222222222222")
    async with running(remade):
        await caught_up(remade, topic.ends)
        topic.publish("demo:u", later)
        await caught_up(remade, topic.ends)
    rows = await journal.store.query(
        "SELECT revision >= bitShiftLeft(toUInt64(1), 48) AS anew, _topic_id FROM profiles FINAL"
    )
    assert [(row["anew"], str(row["_topic_id"])[:2]) for row in rows] == [(1, "22")]
    assert await row_of(journal, "u") == plain(later)


async def test_only_the_newest_is_read_and_one_of_no_release_leaves_what_is_stored(journal: Journal) -> None:
    dice = random.Random(7)
    topic = Publisher(journal)
    stored, later = some_profile(dice), some_profile(dice)
    topic.publish("demo:u", b"{")
    topic.publish("demo:u", stored)
    sink = sink_of(journal)
    async with running(sink):
        await caught_up(sink, topic.ends)
        assert (sink.read_records, sink.unreadable, sink.stored_rows) == (2, 0, 1)
        topic.publish("demo:u", b"{}")
        topic.publish(b"demo:\xff", later)
        topic.publish("demo:other", later)
        await caught_up(sink, topic.ends)
    assert (sink.read_records, sink.unreadable, sink.stored_rows) == (5, 2, 2)
    for each, profile in {"u": stored, "other": later}.items():
        assert await row_of(journal, each) == plain(profile)


async def test_nonsense_amounts_do_not_stop_the_others(journal: Journal) -> None:
    topic = Publisher(journal)
    profile = some_profile(random.Random(1))
    profile.revenue = {"INR": 10**50, "EUR": -(10**50), "USD": 5_000_000}
    topic.publish("demo:u", profile)
    sink = sink_of(journal)
    async with running(sink):
        await caught_up(sink, topic.ends)
    found = await row_of(journal, "u")
    assert found is not None
    assert found["revenue"]["USD"] == 5


async def test_it_stores_at_a_bounded_rate(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopin_sinks.latest_sink.MAX_WAITING", 3)
    settings = journal.settings.model_copy(update={"profile_interval_s": 3600.0})
    topic = Publisher(journal)
    profile = some_profile(random.Random(1))
    for number in range(3):
        topic.publish(f"demo:u{number}", profile)
    slow = ProfileSink(settings, journal.store, journal.topic_ids["profiles"])
    async with running(slow):
        await until(lambda: slow.read_records == 3, "it has read as many as may wait")
        topic.publish("demo:u3", profile)
        reached = asyncio.get_running_loop().time() + 1
        # Nothing tells that nothing happens: it has had the time of several rounds.
        await until(lambda: asyncio.get_running_loop().time() > reached, "a while has passed")
        assert (slow.read_records, slow.stored_rows) == (3, 0)
    assert slow.stored_rows == 3
    quick = sink_of(journal)
    async with running(quick):
        await caught_up(quick, topic.ends)
    assert quick.read_records == 1


class Clock:
    """Seconds that pass when the test says so."""

    now = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The sink's."""
    found = Clock()
    monkeypatch.setattr("loopin_sinks.latest_sink.monotonic", lambda: found.now)
    return found


async def test_the_more_it_stores_the_longer_it_leaves_the_machine_to_the_others(
    journal: Journal, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopin_sinks.latest_sink.PATIENT_KEYS_A_S", 4 / 8.0**2)
    topic = Publisher(journal)
    sink = sink_of(journal)
    assert journal.settings.profile_interval_s < 8.0
    async with running(sink):
        for number in range(4):
            topic.publish(f"demo:u{number}", some_profile(random.Random(number)))
        await until(lambda: sink.read_records == 4, "they are read")
        clock.now += 60.0
        await until(lambda: sink.stored_rows == 4, "the first are stored")
        for number in range(4, 7):
            topic.publish("demo:u0", some_profile(random.Random(number)))
        await until(lambda: sink.read_records == 7, "the others are read")
        clock.now += 7.9
        topic.publish("demo:v", some_profile(random.Random(7)))
        await until(lambda: sink.read_records == 8, "it has gone on reading")
        assert sink.stored_rows == 4
        clock.now += 0.2
        await until(lambda: sink.stored_rows == 6, "each user's newest is stored")


@pytest.mark.parametrize(
    ("keys_a_s", "seconds"), [(100, 0.05), (1_000, 0.5), (3_000, 1.5), (8_000, 4.0), (50_000, 10.0)]
)
def test_rests_settle_in_proportion_to_the_keys_that_change(
    journal: Journal, keys_a_s: int, seconds: float
) -> None:
    sink, rest_s = sink_of(journal), 1.0
    for _ in range(60):
        rest_s = sink._rest_s(round(keys_a_s * rest_s))
    assert rest_s == pytest.approx(seconds, rel=0.1)


async def test_where_no_more_may_wait_it_does_not_rest(
    journal: Journal, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopin_sinks.latest_sink.PATIENT_KEYS_A_S", 3 / 6.0**2)
    monkeypatch.setattr("loopin_sinks.latest_sink.MAX_WAITING", 3)
    topic = Publisher(journal)
    sink = sink_of(journal)
    assert journal.settings.profile_interval_s <= 1.0
    async with running(sink):
        for round in (1, 2):
            for number in range(3):
                topic.publish(f"demo:u{number}", some_profile(random.Random(3 * round + number)))
            await until(partial(read, sink, 3 * round), "as many are read as may wait")
            clock.now += 1.0
            await until(partial(stored, sink, 3 * round), "they are stored")
        # Of two there is room for others, so they wait six seconds from the start of that insert of three.
        for number in range(2):
            topic.publish(f"demo:u{number}", some_profile(random.Random(number)))
        await until(lambda: sink.read_records == 8, "they are read")
        clock.now += 5.9
        topic.publish("demo:u0", some_profile(random.Random(9)))
        await until(lambda: sink.read_records == 9, "it has gone on reading")
        assert sink.stored_rows == 6
        clock.now += 0.2
        await until(lambda: sink.stored_rows == 8, "they are stored")


def read(sink: ProfileSink, records: int) -> bool:
    return sink.read_records == records


def stored(sink: ProfileSink, rows: int) -> bool:
    return sink.stored_rows == rows
