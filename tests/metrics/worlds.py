"""Events to try metrics on: every name that one counts, at the edges of days, pauses and limits."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from loopin_schemas import EnrichedEvent
from tests.metrics.plain import World

NOW = datetime(2026, 3, 31, 15, 20, tzinfo=UTC)
"""The last day of a month that is longer than the one before."""

ZONE = ZoneInfo("America/New_York")
"""Its clocks were put forward on 8 March."""

USERS = 40
PLACES = (("IN", "Mumbai"), ("DE", "Berlin"), ("", ""))
RATES: Mapping[str, list[tuple[date, float]]] = {
    "EUR": [(date(2025, 12, 1), 1.1), (date(2026, 2, 15), 1.25)],
    "INR": [(date(2026, 3, 1), 0.0125)],
}

PAUSES = (timedelta(minutes=30), timedelta(minutes=30, milliseconds=1))
"""The longest within a session without an id, and the shortest that ends one."""

Make = Callable[[Random], dict[str, Any]]


def _amount(dice: Random) -> dict[str, Any]:
    return {
        "event_id": _event_id(dice),
        "amount": dice.choice([dice.randrange(1, 100_000) / 100, 10, 2e12, "many", None]),
        "currency": dice.choice(["USD", "usd ", "EUR", "INR", "JPY", "dollars", ""]),
    }


def _event_id(dice: Random) -> str | int:
    number = dice.randrange(12)
    return number if number < 3 else f"event-{number}"


def _starts(dice: Random) -> str | int | None:
    at = NOW + timedelta(hours=dice.randrange(-60 * 24, 10 * 24))
    return dice.choice([at.isoformat(), f"{at:%Y-%m-%dT%H:%M:%SZ}", int(at.timestamp() * 1000), None])


MAKERS: Mapping[str, Make] = {
    "user_signed_up": lambda dice: {},
    "user_logged_in": lambda dice: {},
    "login_failed": lambda dice: {},
    "otp_verified": lambda dice: {},
    "otp_failed": lambda dice: {},
    "user_verified": lambda dice: {},
    "profile_updated": lambda dice: {"completion": dice.choice([0, 0.25, 0.5, 1, 1.5, "half", None])},
    "event_created": lambda dice: {
        "event_id": _event_id(dice),
        "host_id": dice.choice([7, "host-8", "host-9", "host-10", "", None]),
        "starts_at": _starts(dice),
    },
    "event_published": lambda dice: {"event_id": _event_id(dice)},
    "event_cancelled": lambda dice: {
        "event_id": _event_id(dice), "by": dice.choice(["host", "platform", None])
    },
    "event_viewed": lambda dice: {"event_id": _event_id(dice)},
    "event_joined": lambda dice: {"event_id": _event_id(dice)},
    "event_attended": lambda dice: {"event_id": dice.choice([_event_id(dice), None, ""])},
    "event_sold_out": lambda dice: {"event_id": _event_id(dice)},
    "event_reviewed": lambda dice: {"rating": dice.choice([1, 2, 3, 4, 5, 4.5, 0, 6, "5 stars", None])},
    "feedback_submitted": lambda dice: {"rating": dice.choice([1, 3, 5, None])},
    "ticket_purchased": _amount,
    "payment_refunded": _amount,
    "payment_succeeded": lambda dice: {},
    "payment_failed": lambda dice: {},
    "payment_disputed": lambda dice: {},
    "$pageview": lambda dice: {"path": dice.choice(["/", "/events", "/events/7"])},
    "$pageleave": lambda dice: {},
    "click": lambda dice: {},
    "search_performed": lambda dice: {},
    "page_loaded": lambda dice: {"load_ms": dice.choice([dice.randrange(9000), None])},
    "app_crashed": lambda dice: {},
    "content_viewed": lambda dice: {"content_type": dice.choice(["post", "article"])},
    "content_liked": lambda dice: {"content_type": "post"},
    "content_commented": lambda dice: {"content_type": "post"},
    "content_shared": lambda dice: {"content_type": "article"},
    "search_result_shown": lambda dice: {},
    "search_result_clicked": lambda dice: {},
    "recommendation_shown": lambda dice: {},
    "recommendation_clicked": lambda dice: {},
    "community_viewed": lambda dice: {"community_id": dice.choice(["c-1", "c-2", 3])},
    "community_joined": lambda dice: {"community_id": dice.choice(["c-1", "c-2", 3])},
    "community_activity": lambda dice: {"community_id": dice.choice(["c-1", "c-2", 3])},
    "geo_access_checked": lambda dice: {
        "community_id": "c-1",
        "access_result": dice.choice(["allowed", "blocked", "maybe"]),
        "bypass": dice.choice([True, False, None, "true"]),
    },
    "api_request": lambda dice: {
        "status": dice.choice([200, 404, 499, 500, 503]),
        "duration_ms": dice.choice([dice.randrange(4000), 0.5]),
    },
    "system_metric": lambda dice: {"community_id": "c-1"},
}  # fmt: skip


def events(seed: int, bursts: int = 1500) -> list[EnrichedEvent]:
    """Bursts of one user's events over the 130 days before ``NOW``, more of late, and some after it."""
    dice = Random(seed)
    names = list(MAKERS)
    found: list[EnrichedEvent] = []
    for _ in range(bursts):
        number = dice.randrange(USERS)
        user = f"user-{number}"
        days = dice.choice([dice.uniform(0, 130), dice.uniform(-1, 65), dice.uniform(0, 5)])
        at = NOW - timedelta(days=days)
        if dice.random() < 0.1:  # at a midnight of the zone, exactly
            at = at.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
        # One that several bursts may share, and across midnight, but within a day.
        session = dice.choice([None, None, f"s{dice.randrange(3)}-{at:%m%d}-{at.hour // 12}"])
        # The same for a person's bursts that begin at one moment, so that a session has one first place.
        country, city = PLACES[(number // 3 + at.hour) % len(PLACES)]
        bot = dice.random() < 0.05
        for _ in range(dice.randrange(1, 8)):
            name = dice.choice([dice.choice(names), "$pageview", "event_viewed", "event_joined"])
            properties = {key: value for key, value in MAKERS[name](dice).items() if value is not None}
            properties |= {"country": country, "city": city} if country else {}
            properties |= {"$is_bot": True} if bot else {}
            found.append(_event(dice, name, user, at, properties, session))
            at += dice.choice([timedelta(seconds=dice.randrange(1, 400)), *PAUSES])
    return found


@cache
def world(seed: int, zone: Any = ZONE) -> World:
    """A world in which some persons have several ids, and one is of the project's own people."""
    return World(
        events=events(seed),
        project="shop",
        person_of={"user-1": "user-0", "user-2": "user-0", "user-7": "user-6"},
        zone=zone,
        now=NOW,
        currency="USD",
        rates=RATES,
        internal=frozenset({"user-6"}),
    )


def _event(
    dice: Random, name: str, user: str, at: datetime, properties: dict[str, Any], session: str | None
) -> EnrichedEvent:
    return EnrichedEvent(
        project="other" if dice.random() < 0.05 else "shop",
        uuid=str(uuid.UUID(int=dice.getrandbits(128), version=4)),
        event=name,
        distinct_id=user,
        timestamp=round(at.timestamp() * 1000),
        received_at=round(at.timestamp() * 1000),
        session_id=session,
        properties=msgspec.Raw(json.dumps(properties).encode()),
        sentiment=round(dice.uniform(-1, 1), 3) if dice.random() < 0.5 else None,
        raw_partition=0,
        raw_offset=0,
    )
