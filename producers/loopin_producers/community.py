"""Demo data of a community platform: a week of varied events, repeats, and records that are broken.

The same seed gives the same events but for their times, which lie in the week before ``now_ms``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple
from uuid import UUID

from loopin_producers.broken_records import broken_records
from loopin_producers.client import Loopin
from loopin_producers.community_texts import COMMENTS, FEEDBACK, REVIEWS
from loopin_producers.errors import DeliveryFailed
from loopin_schemas import encode
from loopin_schemas.topics import event_key

USERS = 60
SESSIONS = 72
REPEATS = 5
"""Events that are sent a second time with the same uuid, as a client does that missed the answer."""

SEED = 14
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_PLACES = (
    ("DE", "Berlin", "Berlin"),
    ("DE", "Bavaria", "Munich"),
    ("FR", "Ile-de-France", "Paris"),
    ("GB", "England", "London"),
    ("NL", "North Holland", "Amsterdam"),
    ("TR", "Istanbul", "Istanbul"),
    ("US", "New York", "New York"),
    ("AE", "Dubai", "Dubai"),
)
_CATEGORIES = ("music", "sport", "food", "technology", "art", "outdoors")
_COMMUNITIES = ("runners", "makers", "book-club", "expats")


@dataclass(frozen=True, slots=True)
class CommunityEvent:
    """One event, in the names of ``Loopin.capture``'s arguments; ``timestamp`` is epoch ms."""

    event: str
    distinct_id: str
    properties: dict[str, Any]
    timestamp: int
    session_id: str
    uuid: str


class Published(NamedTuple):
    """What ``publish_community`` sent: distinct good events, repeats of some of them, broken records."""

    events: int
    repeats: int
    broken: int

    @property
    def total(self) -> int:
        """Records in all."""
        return sum(self)


Step = tuple[str, dict[str, Any]]


def community_events(now_ms: int, seed: int = SEED) -> Iterator[CommunityEvent]:
    """About 400 catalogued events of 60 users over the last seven days, today included, in time order.

    The last ``REPEATS`` have the uuid of an earlier one.
    """
    rng = random.Random(seed)
    made = [event for number in range(SESSIONS) for event in _session(rng, number, now_ms)]
    made.sort(key=lambda event: event.timestamp)
    yield from made
    yield from rng.sample(made, REPEATS)


def publish_community(client: Loopin, now_ms: int, *, seed: int = SEED) -> Published:
    """Publish the week of events, its repeats, and the broken records, which the client would refuse.

    Returns what was sent; call ``client.flush()`` before relying on it.

    Raises:
        LoopinError: the client's queue is full or closed.
    """
    sent = 0
    for item in community_events(now_ms, seed):
        event = client.build(**asdict(item))
        client.publish_record(event_key(client.project, event.distinct_id), encode(event), _unnoticed)
        sent += 1
    broken = [(key, value) for _, key, value in broken_records(client.project, seed)]
    for key, value in broken:
        client.publish_record(key, value, _unnoticed)
    return Published(sent - REPEATS, REPEATS, len(broken))


def _unnoticed(failure: DeliveryFailed | None, partition: int, offset: int) -> None:
    """The client counts deliveries; there is nothing to add."""


def _session(rng: random.Random, number: int, now_ms: int) -> Iterator[CommunityEvent]:
    """One user's visit: a handful of events a few seconds or minutes apart."""
    user = number if number < USERS else rng.randrange(USERS)
    steps = [*_arrival(rng, user, number < USERS // 4), *rng.choice(_VISITS)(rng, user)]
    # The first six sessions end within the last hour, so that today is never empty.
    ended_ms = rng.randrange(_HOUR_MS) if number < 6 else rng.randrange(_HOUR_MS, 7 * _DAY_MS - _HOUR_MS)
    at = now_ms - ended_ms
    for name, properties in reversed(steps):
        uuid = str(UUID(int=rng.getrandbits(128), version=4))
        yield CommunityEvent(name, f"member-{user:03d}", properties, at, f"visit-{number:03d}", uuid)
        at -= rng.randrange(4_000, 150_000)


def _arrival(rng: random.Random, user: int, first_visit: bool) -> list[Step]:
    country, _, city = _PLACES[user % len(_PLACES)]
    device = rng.choice(("mobile", "mobile", "desktop", "tablet"))
    steps: list[Step] = []
    if first_visit:
        channel = rng.choice(("organic", "invitation", "social", "search"))
        steps.append(("user_signed_up", {"channel": channel, "country": country}))
        steps.append(("$identify", {"$set": {"country": country, "city": city}}))
        steps.append(("profile_updated", {"completion": rng.choice((0.4, 0.6, 0.8, 1.0))}))
    else:
        steps.append(("user_logged_in", {"method": rng.choice(("password", "otp"))}))
    path = rng.choice(("/", "/events", "/communities"))
    steps.append(("$pageview", {"path": path, "device": device, "country": country, "city": city}))
    return steps


def _host(rng: random.Random, user: int) -> list[Step]:
    event = _event_id(rng)
    price = rng.choice((0, 8, 12.5, 20, 35))
    _, _, city = _PLACES[user % len(_PLACES)]
    created = {
        "event_id": event,
        "host_id": f"member-{user:03d}",
        "category": rng.choice(_CATEGORIES),
        "price": price,
        "capacity": rng.choice((20, 50, 120)),
        "city": city,
    }
    return [("event_created", created), ("event_published", {"event_id": event})]


def _guest(rng: random.Random, user: int) -> list[Step]:
    event, amount = _event_id(rng), rng.choice((250.0, 400.0, 750.0, 1200.0))
    payment = {"event_id": event, "amount": amount, "currency": "INR", "payment_method": "card"}
    steps: list[Step] = [
        ("search_performed", {"query_length": rng.randrange(3, 20), "results": rng.randrange(30)}),
        ("event_viewed", {"event_id": event, "category": rng.choice(_CATEGORIES)}),
    ]
    if rng.random() < 0.2:
        return [*steps, ("payment_failed", {**payment, "reason": rng.choice(("card_declined", "timeout"))})]
    return [
        *steps,
        ("event_joined", {"event_id": event}),
        ("payment_succeeded", payment),
        ("ticket_purchased", payment),
    ]


def _reviewer(rng: random.Random, user: int) -> list[Step]:
    event = _event_id(rng)
    rating, text = rng.choice(REVIEWS)
    return [
        ("event_attended", {"event_id": event}),
        ("event_reviewed", {"event_id": event, "rating": rating, "text": text}),
    ]


def _reader(rng: random.Random, user: int) -> list[Step]:
    post = {"content_type": "post", "object_id": f"post-{rng.randrange(30)}"}
    steps: list[Step] = [("content_viewed", post), ("content_liked", post)]
    if rng.random() < 0.7:
        steps.append(("content_commented", {**post, "text": rng.choice(COMMENTS)}))
    if rng.random() < 0.3:
        rating, text = rng.choice(FEEDBACK)
        steps.append(("feedback_submitted", {"rating": rating, "text": text}))
    return steps


def _member(rng: random.Random, user: int) -> list[Step]:
    community = {"community_id": rng.choice(_COMMUNITIES)}
    country, region, city = _PLACES[user % len(_PLACES)]
    allowed = rng.random() < 0.75
    checked = {
        **community,
        "access_result": "allowed" if allowed else "blocked",
        "is_traveler": rng.random() < 0.2,
        "bypass": False,
        "country": country,
        "region": region,
        "city": city,
    }
    if not allowed:
        return [("geo_access_checked", {**checked, "reason": rng.choice(("country", "city", "region"))})]
    activity = {**community, "activity_type": "discussion", "duration_s": rng.randrange(20, 900)}
    return [
        ("geo_access_checked", checked),
        ("community_viewed", community),
        ("community_joined", community),
        ("community_activity", activity),
    ]


_VISITS: tuple[Callable[[random.Random, int], list[Step]], ...] = (
    _host,
    _guest,
    _guest,
    _reviewer,
    _reviewer,
    _reader,
    _member,
)


def _event_id(rng: random.Random) -> str:
    return f"event-{rng.randrange(12):02d}"
