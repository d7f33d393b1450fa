"""Participants of one id and of several, against what plain Python makes of the same profiles and events."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from loopin_schemas.behaviour import Rsvp
from loopin_schemas.profile import Profile
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.scores.attendance import Participant, participants
from tests.api.scores_stored import scored
from tests.migrated import migrated_store
from tests.sinks.personas.stored_events import Done, link, put
from tests.sinks.persons.lived import store_profiles

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
IDS = [f"u{number}" for number in range(90)]
SCOPE = Scope(project="shop", zone=UTC, now=NOW)
PARTY = {"event_id": "party"}


class World(NamedTuple):
    """RSVPs by distinct_id, what was done, and the person of each id that is another one's."""

    rsvps: dict[str, Rsvp]
    done: list[Done]
    person: dict[str, str]


def minutes(number: int) -> datetime:
    return NOW + timedelta(minutes=number)


def drawn(seed: int) -> World:
    dice = random.Random(seed)
    moments = dice.sample(range(10_000), 1000)
    rsvps = {}
    for id in IDS:
        if dice.random() < 0.5:
            at = round(minutes(moments.pop()).timestamp() * 1000)
            rsvps[id] = Rsvp("party", at, b"", dice.randrange(1, 20) / 20, dice.random() < 0.2, 2)
    done = []
    for event in ("party", "walk"):
        for _ in range(150):
            name = dice.choice(
                ["event_joined", "event_joined", "event_left", "event_attended", "event_viewed"]
            )
            said = {"event_id": event, "$is_bot": dice.random() < 0.1}
            if name == "event_joined" and dice.random() < 0.5:
                # A long event is joined while it goes on; a start of long ago is a mistake.
                start = dice.choice([-2000, 3000, 30_000, 40_000, 2_000_000, -29_000_000])
                said["starts_at"] = minutes(start).isoformat()
            done.append(Done(dice.choice(IDS), name, minutes(moments.pop()), said))
    deleted = (dice.choice(IDS) for _ in range(20))
    done += [Done(id, "account_deleted", minutes(moments.pop()), {"event_id": ""}) for id in deleted]
    person = {id: dice.choice([*IDS[60:70], "p1", "p2", "p3"]) for id in IDS[:50]}
    return World(rsvps, done, person)


def persons(world: World) -> dict[str, list[str]]:
    of: dict[str, list[str]] = defaultdict(list)
    for id in {*IDS, *world.person.values()}:
        of[world.person.get(id, id)].append(id)
    return of


def joins(one: Done) -> bool:
    return one.event == "event_joined" and not one.properties["$is_bot"]


def acts(world: World, ids: list[str]) -> list[Done]:
    of_party = (one for one in world.done if one.user in ids and one.properties["event_id"] == "party")
    return sorted(of_party, key=lambda one: one.at)


def plain(world: World) -> list[Participant]:
    """Who joined and did not leave after that, one by one."""
    known: list[tuple[Participant, bool]] = []
    for name, ids in persons(world).items():
        rsvps = {id: world.rsvps[id] for id in ids if id in world.rsvps}
        mine = acts(world, ids)
        times = [datetime.fromtimestamp(rsvp.at / 1000, UTC) for rsvp in rsvps.values()]
        last = max([*times, *(one.at for one in mine if joins(one))], default=None)
        gone = [one.at for one in world.done if one.user in ids and one.event == "account_deleted"]
        gone += [one.at for one in mine if one.event == "event_left"]
        if last is None or any(at > last for at in gone):
            continue
        # All profiles were seen at once: of several the last one by name tells.
        rsvp = rsvps[max((rsvps[id].came, id) for id in rsvps)[1]] if rsvps else None
        came = any(one.event == "event_attended" for one in mine) or (rsvp is not None and rsvp.came)
        chance = 1.0 if came else -1 if rsvp is None else rsvp.chance
        version = 0 if rsvp is None else 2
        known.append((Participant(name, last, chance, version), came))
    kept = [one.chance for one, came in known if not came and one.chance != -1]
    usual = sum(map(float, filter(None, kept))) / len(kept)
    found = [one._replace(chance=usual) if one.chance == -1 else one for one, _ in known]
    return sorted(found, key=lambda one: (one.joined, one.person))


def plain_start(world: World, joined: list[Participant]) -> datetime:
    """Of those who joined, each as the person's latest word of one id; the middle one, the later of two."""
    named = []
    for one in joined:
        starts = {}
        for act in acts(world, persons(world)[one.person]):
            if joins(act) and "starts_at" in act.properties:
                start = datetime.fromisoformat(act.properties["starts_at"])
                if timedelta(days=-1) <= start - act.at <= timedelta(days=731):
                    starts[act.user] = start
        if starts:
            named.append(max(starts.values()))
    return sorted(named)[len(named) // 2]


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", [11, 12, 13])
async def test_who_is_joined_is_as_the_events_say_and_each_person_once(
    tmp_path: Path, migrated: Path, seed: int
) -> None:
    world = drawn(seed)
    expected = plain(world)
    profiles: dict[str, Profile] = {id: scored(NOW, rsvps=[rsvp]) for id, rsvp in world.rsvps.items()}
    async with migrated_store(tmp_path, migrated) as store:
        await store_profiles(store, profiles)
        await put(store, world.done)
        await put(store, [Done(id, "event_left", minutes(20_000), PARTY) for id in IDS], "other")
        await link(store, [*world.person.items()])
        whole = await participants(store, SCOPE, "party", limit=1000)
        page = await participants(store, SCOPE, "party", limit=7, offset=5)
        staff = (expected[0].person, expected[-1].person)
        own = await participants(store, replace(SCOPE, internal=staff), "party", limit=1000)
    assert [one[:2] + one[3:] for one in whole.some] == [one[:2] + one[3:] for one in expected]
    chances = [one.chance for one in expected]
    assert [one.chance for one in whole.some] == pytest.approx(chances)
    assert list(whole.chances) == pytest.approx(chances)
    assert (list(page.chances), list(page.some)) == (list(whole.chances), list(whole.some[5:12]))
    assert [one.person for one in own.some] == [one.person for one in expected if one.person not in staff]
    assert whole.newest == expected[-1].joined
    assert whole.starts == plain_start(world, expected)
