"""Profiles as the stream makes them of what users did, in a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from uuid import uuid4

from loopin_schemas.event import EnrichedEvent
from loopin_schemas.profile import Profile
from loopin_sinks.persons.profile_rows import PROFILES, Known, profiles_to_arrow
from loopin_sinks.store import Store
from loopin_streams.behaviour.counts import count, new_behaviour
from loopin_streams.behaviour.deeds import deeds
from loopin_streams.behaviour.habits import HabitCounter
from loopin_streams.state.profile_updates import absorb_time, new_profile
from loopin_streams.state.sessions import follow
from tests.streams.behaviour.plain_habits import Did

TOPIC_ID = "11111111-1111-4111-8111-111111111111"


def lived(log: Sequence[Did], zone: tzinfo = UTC) -> Profile:
    """The profile of who did all that, in this order."""
    profile = new_profile(log[0].at)
    counter = HabitCounter(lambda project: zone)
    for one in log:
        follow(profile, one.at)
        absorb_time(profile, one.at)
        behaviour = profile.behaviour = profile.behaviour or new_behaviour(one.at)
        count(behaviour, one.at, deeds(one.name, one.properties, None))
        event = EnrichedEvent(
            uuid="u",
            project="shop",
            event=one.name,
            distinct_id="u",
            timestamp=one.at,
            received_at=one.at,
            raw_partition=0,
            raw_offset=0,
        )
        counter.count(profile, event, one.properties)
    return profile


async def store_profiles(
    store: Store, profiles: Mapping[str, Profile], project: str = "shop", revision: int = 1
) -> None:
    """Store them by distinct_id."""
    known = [Known(project, each, profile, revision) for each, profile in profiles.items()]
    await store.insert(PROFILES, profiles_to_arrow(known, TOPIC_ID, 1), token=str(uuid4()))
