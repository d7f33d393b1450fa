"""Random communities: busy and empty ones, members who come and go, travellers, and a crowd just now."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from loopin_schemas import EnrichedEvent
from tests.metrics.plain import World

NOW = datetime(2026, 3, 31, 15, 20, 37, 250_000, UTC)
ZONE = ZoneInfo("America/New_York")
"""Its clocks were put forward on 8 March."""

PLACES: tuple[dict[str, str | float], ...] = (
    {
        **{"country": "India", "region": "Maharashtra", "city": "Mumbai", "$geoip_country_code": "IN"},
        **{"$geoip_latitude": 19.1, "$geoip_longitude": 72.9, "$geoip_accuracy_radius": 20},
    },
    {"country": " india", "city": "Pune", "$geoip_country_code": "US"},
    {"country": "Germany", "city": "Berlin", "$geoip_latitude": 52.5, "$geoip_longitude": 13.4},
    {"$geoip_country_code": "IN", "$geoip_city_name": "Mumbai", "$geoip_subdivision_1_name": "Maharashtra"},
    {
        **{"$geoip_country_code": "DE", "$geoip_city_name": "Berlin"},
        **{"$geoip_latitude": 52.5, "$geoip_longitude": 400},
    },
    {"city": "Mumbai"},
    {"city": "Pune"},
    {},
)
NAMES = (
    *["community_viewed"] * 5,
    *["community_activity"] * 5,
    *["geo_access_checked"] * 4,
    *["community_joined"] * 2,
    "community_left",
    "content_viewed",
    "system_metric",
    "user_signed_up",
)


def events(seed: int, bursts: int = 700) -> list[EnrichedEvent]:
    """Bursts over 40 days, a fifth of them within the last hour, and some after now."""
    dice = Random(seed)
    found: list[EnrichedEvent] = []
    for _ in range(bursts):
        user = f"user-{dice.randrange(60)}"
        at = NOW - timedelta(
            minutes=dice.choice([dice.uniform(0, 60), *[dice.uniform(-60, 40 * 1440)] * 3, 5, 1440])
        )
        # One that several bursts may share, but within a day.
        session = dice.choice([None, f"s{dice.randrange(2)}-{at:%m%d}"])
        for _ in range(dice.randrange(1, 7)):
            found.append(_event(dice, user, at, session))
            at += dice.choice([timedelta(), timedelta(seconds=dice.randrange(600)), timedelta(minutes=31)])
    return found


def _event(dice: Random, user: str, at: datetime, session: str | None) -> EnrichedEvent:
    name = dice.choice(NAMES)
    properties: dict[str, Any] = dict(dice.choice(PLACES))
    if name != "user_signed_up":
        properties["community_id"] = dice.choice(["c-1", 7])
    if name == "geo_access_checked":
        properties |= {
            "access_result": dice.choice(["allowed", "blocked", "blocked", "maybe"]),
            "reason": dice.choice(["country", "region", "city", "mood", ""]),
            "is_traveler": dice.choice([False, False, False, True, "true"]),
            "bypass": dice.choice([False, False, True, "true"]),
        }
    if dice.random() < 0.04:
        properties["$is_bot"] = True
    ms = round(at.timestamp() * 1000)
    return EnrichedEvent(
        project="other" if dice.random() < 0.05 else "shop",
        uuid=str(uuid.UUID(int=dice.getrandbits(128), version=4)),
        event=name,
        distinct_id=user,
        timestamp=ms,
        received_at=ms,
        session_id=session,
        properties=msgspec.Raw(json.dumps(properties).encode()),
        raw_partition=0,
        raw_offset=0,
    )


@cache
def world(seed: int) -> World:
    """Some persons have several ids, and one is of the project's own people."""
    return World(
        events=events(seed),
        project="shop",
        person_of={"user-1": "user-0", "user-2": "user-0", "user-7": "user-6"},
        zone=ZONE,
        now=NOW,
        currency="USD",
        internal=frozenset({"user-6"}),
    )
