"""What lies after a time is not known at it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.recommendations.community_signals import BY_HAND, SIGNALS, community_week
from loopin_sinks.recommendations.event_weeks import event_week
from loopin_sinks.recommendations.learn import Week, learn, measured
from loopin_sinks.recommendations.platform_events import CHANGES
from loopin_sinks.recommendations.read import communities, demand, history, platform_events
from loopin_sinks.recommendations.read_checks import checks, places
from loopin_sinks.recommendations.recent import COMMUNITIES, EVENTS
from loopin_sinks.store import Store
from tests.migrated import migrated_store
from tests.sinks.personas.stored_events import Done, put
from tests.sinks.recommendations.whole_weeks import whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
WEEK = timedelta(days=7)
CUTOFF = NOW - WEEK
BEFORE = [
    *((id, name) for id in ("event-0", "event-1") for name in ("event_sold_out", "event_left")),
    *(("event-2", name) for name in CHANGES),
]
"""What is closed and opened again before the cutoff, by which events."""
CITIES = ("Berlin", "Delhi", "Pune")
USERS = [f"user-{number:02}" for number in range(12)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("as_of"), migrated) as store:
        yield store


def drawn(seed: int, start: datetime, end: datetime, number: int, *, later: bool) -> list[Done]:
    """Anything that may happen in a time; of items and users that are there later, some that are new then."""
    dice, found = random.Random(seed), []
    users = [*USERS, "zoe"] if later else USERS
    clubs = [f"club-{n}" for n in range(6)] + (["zero"] if later else [])
    for at in (start, *(start + (end - start) * dice.random() for _ in range(number))):
        user, city = dice.choice(users), dice.choice(CITIES)
        event = f"event-{dice.randrange(10 if later else 6)}"
        kinds: list[tuple[str, dict[str, Any]]] = [
            ("$pageview", {"city": city}),
            ("community_viewed", {"community_id": dice.choice(clubs)}),
            ("community_activity", {"community_id": dice.choice(clubs), "activity_type": "post"}),
            ("community_joined", {"community_id": dice.choice(clubs)}),
            ("community_left", {"community_id": dice.choice(clubs)}),
            ("event_viewed", {"event_id": event}),
            ("event_joined", {"event_id": event}),
            ("event_left", {"event_id": event}),
            ("event_attended", {"event_id": event}),
        ]
        changes = [(f"event-{n}", name) for n in range(10) for name in CHANGES]
        kinds += [(name, {"event_id": id}) for id, name in dice.sample(changes if later else BEFORE, 4)]
        checked = {"community_id": dice.choice(clubs), "access_result": dice.choice(("allowed", "blocked"))}
        kinds += [("geo_access_checked", {**checked, "city": city, "bypass": dice.random() < 0.1})] * 3
        if later:
            given = made(f"event-{dice.randrange(6, 10)}", dice.choice(CITIES), 10 * dice.random(), "new")
            kinds.append(("event_created", {**given, "host_id": dice.choice(("host-1", "newcomer"))}))
        name, given = dice.choice(kinds)
        found.append(Done(user, name, at, given))
    return found


def made(id: str, city: str, price: float, category: str) -> dict[str, Any]:
    starts = round((NOW + WEEK).timestamp() * 1000)
    about = {
        "event_id": id,
        "host_id": f"host-{id[-1]}",
        "category": category,
        "currency": "INR",
        "capacity": 50,
    }
    return {**about, "city": city, "price": price, "starts_at": starts, "community_id": f"club-{id[-1]}"}


CREATED = [
    Done("host", "event_created", CUTOFF - WEEK, made(f"event-{n}", CITIES[n % 3], 10.0 * n, f"kind-{n % 2}"))
    for n in range(6)
]
DEALT = [
    Done(user, name, CUTOFF, given)
    for n, user in enumerate(USERS)
    for name, given in (
        ("event_joined", {"event_id": f"event-{3 + n % 3}"}),
        ("community_viewed", {"community_id": f"club-{n % 6}"}),
    )
]
"""Each user takes part in one that is open and in a community, so that there is a week of each."""


def alike(then: Week, later: Week) -> None:
    """Of a week the same is known whether or not it has passed, but for what was taken in it."""
    users, items, _ = then.signals.shape
    assert users == len(USERS)
    assert then.allowed.any()
    assert not then.allowed.all()
    assert np.array_equal(then.signals, later.signals[:users, :items])
    assert np.array_equal(then.allowed, later.allowed[:users, :items])
    assert np.array_equal(then.popular, later.popular[:items])
    # Of what came to be only later nothing could be recommended.
    assert not later.allowed[:, items:].any()
    assert then.taken.sum() < later.taken.sum()


async def weeks(store: Store, project: str) -> tuple[Week, Week]:
    """Of communities and platform events, as they are read now."""
    scope, at = Scope(project=project, zone=UTC, now=NOW), epoch_ms(CUTOFF)
    number = {name: at for at, name in enumerate(await communities(store, scope))}
    members = await history(store, scope, COMMUNITIES, number)
    wanted = await demand(store, scope, COMMUNITIES, number)
    passed = await places(store, scope)
    checked = await checks(store, scope, number, members, passed)
    events = await platform_events(store, scope)
    known = await history(store, scope, EVENTS, events.number)
    assert (*members.users[:12], *known.users[:12]) == (*USERS, *USERS)
    gates = {name: at for at, name in enumerate(events.community_names) if name}
    gated = await checks(store, scope, gates, known, passed)
    return (
        whole(community_week(len(number), members, wanted, checked, at)),
        whole(event_week(events, known, await demand(store, scope, EVENTS, events.number), gated, at)),
    )


@pytest.mark.parametrize("seed", range(4))
async def test_what_happens_later_changes_neither_signals_nor_what_is_allowed(
    store: Store, seed: int
) -> None:
    earlier = drawn(seed, CUTOFF - 6 * WEEK, CUTOFF, 500, later=False)
    for name, events in (("then", []), ("later", drawn(seed + 100, CUTOFF, NOW, 400, later=True))):
        await put(store, [*CREATED, *earlier, *DEALT, *events], f"{name}-{seed}")
    for then, later in zip(
        await weeks(store, f"then-{seed}"), await weeks(store, f"later-{seed}"), strict=True
    ):
        alike(then, later)


async def test_each_day_begins_with_what_is_open_by_all_that_has_changed(store: Store) -> None:
    """Of what changes many times a day no more is read than what the begin of the next needs."""
    dice, days, id = random.Random(1), range(7), {"event_id": "event-0"}
    minutes = dice.sample(range(1, 7 * 24 * 60), 300)
    changes = [(dice.choice(list(CHANGES)), NOW - timedelta(minutes=ago)) for ago in minutes]
    await put(store, [CREATED[0], *(Done("host", name, at, id) for name, at in changes)], "changing")
    [event] = (await platform_events(store, Scope(project="changing", zone=UTC, now=NOW))).all
    found = []
    for day in days:
        begin = NOW - timedelta(days=day)
        last: dict[str, datetime] = {
            name: at for name, at in sorted(changes, key=lambda one: one[1]) if at < begin
        }
        never = NOW - 2 * WEEK
        closed = [
            last.get(closing, never) > last.get(opening, never)
            for closing, opening in (("event_cancelled", "event_published"), ("event_sold_out", "event_left"))
        ]
        found.append(not any(closed))
        assert event.open_at(epoch_ms(begin)) is found[-1]
    assert set(found) == {True, False}
    assert len(event.turns) <= len(CHANGES) * len(days)


async def test_of_pure_chance_nothing_is_learned(store: Store) -> None:
    """Each look into a community is checked and let in, and any is as likely as another."""
    dice, done = np.random.default_rng(1), []
    for user in range(300):
        done.append(Done(f"u{user}", "$pageview", NOW - timedelta(60), {"city": f"city-{user % 60}"}))
        for day in np.flatnonzero(dice.random(45) < 0.1):
            club, at = f"club-{dice.integers(60)}", NOW - timedelta(days=float(day) + 0.5)
            given = {"community_id": club, "city": f"city-{user % 60}", "access_result": "allowed"}
            done.append(Done(f"u{user}", "geo_access_checked", at, given))
            done.append(Done(f"u{user}", "community_viewed", at, {"community_id": club}))
            # Some members, who make some communities more popular than others.
            if dice.random() < 0.05:
                done.append(Done(f"m{len(done)}", "community_joined", at, {"community_id": club}))
    await put(store, done, "chance")
    scope = Scope(project="chance", zone=UTC, now=NOW)
    number = {name: at for at, name in enumerate(await communities(store, scope))}
    members = await history(store, scope, COMMUNITIES, number)
    wanted = await demand(store, scope, COMMUNITIES, number)
    checked = await checks(store, scope, number, members, await places(store, scope))

    def week(at: int) -> list[Week]:
        return list(community_week(len(number), members, wanted, checked, at))

    last = epoch_ms(CUTOFF)
    ranker = learn(SIGNALS, week, last) or BY_HAND
    precision, popularity, users = measured(week(last), ranker)
    assert ranker.learned
    assert users > 100
    assert precision is not None
    assert popularity is not None
    # Three standard errors of the difference of two shares of ten for each user.
    assert abs(precision - popularity) < 3 * np.sqrt(2 * popularity * (1 - popularity) / (10 * users))
    weights = dict(zip(ranker.signals, ranker.weights, strict=True))
    assert abs(weights["admitted"]) < 1
    assert whole(week(last)).signals[:, :, SIGNALS.index("admitted")].any()
