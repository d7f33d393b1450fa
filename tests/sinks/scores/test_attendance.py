"""Participants of one id and of several, against what plain Python makes of the same profiles and events."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

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


def minutes(number: int) -> datetime:
    return NOW + timedelta(minutes=number)


def drawn() -> tuple[dict[str, Rsvp], list[Done], dict[str, str]]:
    """RSVPs by distinct_id, what was done besides, and the person of each id that is another one's."""
    dice = random.Random(11)
    moments = dice.sample(range(10_000), 1000)
    rsvps = {}
    for id in IDS:
        if dice.random() < 0.7:
            at = round(minutes(moments.pop()).timestamp() * 1000)
            rsvps[id] = Rsvp("party", at, b"", dice.randrange(1, 20) / 20, dice.random() < 0.2, 2)
    # Of one id alone the profile says it all: only such events lie about it here.
    names = ("event_joined", "event_left", "event_attended", "event_viewed")
    done = [
        Done(dice.choice(IDS), dice.choice(names), minutes(moments.pop()), {"event_id": event})
        for event in ("party", "walk")
        for _ in range(90)
    ]
    person = {id: dice.choice([*IDS[60:70], "p1", "p2", "p3"]) for id in IDS[:50]}
    return rsvps, done, person


def plain(rsvps: dict[str, Rsvp], done: list[Done], person: dict[str, str]) -> list[Participant]:
    of: dict[str, list[str]] = defaultdict(list)
    for id in {*IDS, *person.values()}:
        of[person.get(id, id)].append(id)
    found = []
    for name, ids in of.items():
        joins = [rsvps[id] for id in ids if id in rsvps]
        if not joins:
            continue
        # All profiles were seen at once: of several the last one by name tells.
        chosen = max((rsvps[id].came, id) for id in ids if id in rsvps)[1]
        chance = 1.0 if rsvps[chosen].came else rsvps[chosen].chance
        if len(ids) > 1:
            mine = [one for one in done if one.user in ids and one.properties == PARTY]
            at = {kind: [one.at for one in mine if one.event == kind] for kind in {one.event for one in mine}}
            times = [datetime.fromtimestamp(one.at / 1000, UTC) for one in joins]
            if max(at.get("event_left", [NOW])) > max(times + at.get("event_joined", [])):
                continue
            if max(at.get("event_attended", [NOW])) > min(times):
                chance = 1.0
        joined = datetime.fromtimestamp(rsvps[chosen].at / 1000, UTC)
        found.append(Participant(name, joined, chance, 2))
    return sorted(found, key=lambda one: (one.joined, one.person))


@pytest.mark.asyncio
async def test_persons_are_put_together(tmp_path: Path, migrated: Path) -> None:
    rsvps, done, person = drawn()
    expected = plain(rsvps, done, person)
    profiles: dict[str, Profile] = {id: scored(NOW, rsvps=[rsvp]) for id, rsvp in rsvps.items()}
    async with migrated_store(tmp_path, migrated) as store:
        await store_profiles(store, profiles)
        await put(store, done)
        await put(store, [Done(id, "event_left", minutes(20_000), PARTY) for id in IDS], "other")
        await link(store, [*person.items()])
        whole = await participants(store, SCOPE, "party", limit=1000)
        page = await participants(store, SCOPE, "party", limit=7, offset=5)
        own = await participants(store, replace(SCOPE, internal=("u0", "u80")), "party", limit=1000)
    assert list(whole.some) == expected
    staff = {person.get(id, id) for id in ("u0", "u80")}
    assert len(staff & {one.person for one in expected}) == 2
    assert list(own.some) == [one for one in expected if one.person not in staff]
    assert list(whole.chances) == [one.chance for one in expected]
    assert (list(page.chances), list(page.some)) == (list(whole.chances), expected[5:12])
