"""Odd behaviour of single users, planted into a world's events: what people do, not what a detector seeks.

Each kind is written from what it is. Its strength is drawn from a spread that begins with mild cases; who,
when and how strong is hidden from what is judged.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.evaluate.part import Event

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000

FIRST_DAY: Final = 25
"""Of the world: before it, the model of sessions has only begun."""

EACH: Final = 30
"""Planted of each named kind, and of odd sessions twice as many."""

SILENT_DAYS: Final = 28

PLACES: Final = {
    "Mumbai": (19.08, 72.88), "Bengaluru": (12.97, 77.59), "London": (51.51, -0.13), "Delhi": (28.66, 77.23),
    "Pune": (18.52, 73.86), "Dubai": (25.20, 55.27), "Hyderabad": (17.39, 78.49), "Berlin": (52.52, 13.41),
    "New York": (40.71, -74.01), "Chennai": (13.08, 80.27), "Singapore": (1.35, 103.82),
    "Kolkata": (22.57, 88.36),
}  # fmt: skip
"""Where the world's cities are."""

_FAR: Final = (
    (-33.87, 151.21), (35.68, 139.69), (-23.55, -46.63), (6.52, 3.38), (55.76, 37.62), (37.77, -122.42),
    (30.04, 31.24), (-1.29, 36.82), (13.76, 100.50), (39.90, 116.40), (41.01, 28.98), (48.86, 2.35),
    (27.72, 85.32), (23.81, 90.41), (6.93, 79.85), (33.69, 73.06),
)  # fmt: skip
_CLIENTS: Final = (
    ("Android", "Chrome Mobile", "mobile"), ("iOS", "Mobile Safari", "mobile"),
    ("Windows", "Edge", "desktop"), ("Windows", "Chrome", "desktop"), ("Mac OS X", "Safari", "desktop"),
    ("Linux", "Firefox", "desktop"),
)  # fmt: skip


@dataclass
class Planted:
    """One planted case; ``strength`` is its kind's own measure, from 0 (mildest) to 1."""

    kind: str
    user: str
    start_ms: int
    end_ms: int
    strength: float


class Planter:
    """Passes a world's events on, with cases among them; ``planted`` says which."""

    def __init__(self, seed: str) -> None:
        """``seed`` is of the world, so that each has cases of its own."""
        self.planted: list[Planted] = []
        self._rng = random.Random(f"odd/{seed}")
        self._waiting: list[tuple[int, int, Event]] = []
        self._number = 0
        self._days: dict[str, deque[int]] = {}
        self._pages: dict[str, Event] = {}
        self._silent: dict[str, int] = {}
        self._taken: dict[str, int] = {}
        self._first_day = self._day = -1
        self._due: list[tuple[int, str]] = []
        self._left = [kind for kind in _CASES for _ in range(EACH * (2 if kind == "odd_session" else 1))]
        self._rng.shuffle(self._left)

    def through(self, event: Event) -> Iterator[Event]:
        """The event, and what was planted before it; not those of the silent."""
        at, user = event["timestamp"], event["distinct_id"]
        if at // DAY_MS != self._day:
            self._turn(at // DAY_MS)
        while self._waiting and self._waiting[0][0] <= at:
            yield heapq.heappop(self._waiting)[2]
        if at < self._silent.get(user, 0):
            return
        located = self._located(event)
        yield located
        if user.startswith("user-") and located["event"] == "$pageview":
            self._pages[user] = located
            days = self._days.setdefault(user, deque(maxlen=28))
            if not days or days[-1] != self._day:
                days.append(self._day)
            self._plant(user, located)

    def _located(self, event: Event) -> Event:
        """As a geo database says where an address is: some km off, and now and then the country's middle."""
        properties = event["properties"]
        place = PLACES.get(properties.get("city", ""))
        if place is None or "$ip" not in properties:
            return event
        local = random.Random(f"{properties['$ip']}{properties['city']}")
        latitude, longitude, off = place[0] + local.gauss(0, 0.1), place[1] + local.gauss(0, 0.1), 50
        if local.random() < 0.01:
            latitude, longitude, off = place[0] + local.gauss(0, 2), place[1] + local.gauss(0, 2), 500
        return {
            **event,
            "properties": {
                **properties,
                "$geoip_latitude": round(latitude, 2),
                "$geoip_longitude": round(longitude, 2),
                "$geoip_accuracy_radius": off,
            },
        }

    def _turn(self, day: int) -> None:
        """Draw the moments of a day at which cases are to begin, with whoever is there next."""
        if self._first_day < 0:
            self._first_day = day
        self._day = day
        if day - self._first_day >= FIRST_DAY and self._left:
            for _ in range(self._rng.choice((2, 3))):
                at = day * DAY_MS + int(self._rng.random() * DAY_MS)
                if self._left:
                    self._due.append((at, self._left.pop()))
            self._due.sort()

    def _plant(self, user: str, page: Event) -> None:
        at = page["timestamp"]
        if not self._due or self._due[0][0] > at or at < self._taken.get(user, 0):
            return
        kind = self._due[0][1]
        if kind == "sudden_inactivity" and not self._comes_often(user):
            return
        self._due.pop(0)
        strength = self._rng.random()
        events = _CASES[kind](self._rng, page, strength)
        start = at + int(self._rng.uniform(5, 60) * 1000)
        if kind == "sudden_inactivity":
            start = at + 1
            self._silent[user] = end = start + SILENT_DAYS * DAY_MS
        else:
            for after, name, properties in events:
                self._number += 1
                planted = {**page, "event": name, "timestamp": start + after, "properties": properties}
                heapq.heappush(self._waiting, (start + after, self._number, planted))
            end = start + events[-1][0]
            start += events[0][0]
        self._taken[user] = end + 3 * DAY_MS
        self.planted.append(Planted(kind, user, start, end, strength))

    def _comes_often(self, user: str) -> bool:
        """Two days a week or more, in each half of the last four weeks."""
        days = self._days.get(user, ())
        half = sum(day > self._day - 14 for day in days)
        whole = sum(day > self._day - 28 for day in days)
        return half >= 4 and whole - half >= 4


Happens = list[tuple[int, str, dict[str, Any]]]
"""Ms after the beginning, name, properties."""


def _between(rng: random.Random, low: float, high: float, strength: float) -> float:
    """Between two ends on a logarithmic scale: ``low`` is mild."""
    return math.exp(math.log(low) + strength * math.log(high / low)) * rng.uniform(0.95, 1.05)


def _client(
    properties: Event, place: tuple[float, float] | None, client: tuple[str, str, str]
) -> dict[str, Any]:
    os, browser, device = client
    found = {**properties, "os": os, "browser": browser, "device_type": device}
    if place is not None:
        found |= {
            "$geoip_latitude": place[0],
            "$geoip_longitude": place[1],
            "$geoip_accuracy_radius": 50,
        }
    return found


def _km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """By the law of cosines, on a sphere."""
    (p, q), (r, s) = (map(math.radians, each) for each in (a, b))
    inner = math.sin(p) * math.sin(r) + math.cos(p) * math.cos(r) * math.cos(q - s)
    return 6371 * math.acos(max(-1.0, min(1.0, inner)))


def _here(page: Event) -> tuple[float, float]:
    properties = page["properties"]
    return properties["$geoip_latitude"], properties["$geoip_longitude"]


def _travel(rng: random.Random, page: Event, strength: float) -> Happens:
    """Somebody far away uses the account, sooner than an airliner could have brought its owner there."""
    far = rng.choice([place for place in _FAR if _km(place, _here(page)) > 800])
    speed = _between(rng, 1100, 30_000, strength)
    at = int(_km(far, _here(page)) / speed * HOUR_MS)
    properties = _client(page["properties"], far, rng.choice(_CLIENTS))
    events: Happens = []
    for _ in range(rng.randint(2, 8)):
        name = rng.choice(("$pageview", "$pageview", "event_viewed", "profile_updated"))
        events.append((at, name, properties if name == "$pageview" else {}))
        at += int(rng.expovariate(1 / 15_000)) + 1000
    events[0] = (events[0][0], "$pageview", properties)
    return events


def _burst(rng: random.Random, page: Event, strength: float) -> Happens:
    """A script or a client that hangs does something again and again, faster than a person."""
    gap, end = _between(rng, 2, 0.15, strength) * 1000, rng.uniform(1, 8) * MINUTE_MS
    names = rng.sample(("$pageview", "event_viewed", "content_liked", "search_performed", "click"), 2)
    events, at = Happens(), 0.0
    while at < end:
        name = rng.choice(names)
        events.append((int(at), name, dict(page["properties"]) if name == "$pageview" else {}))
        at += rng.uniform(0.5, 1.5) * gap
    return events


def _sharing(rng: random.Random, page: Event, strength: float) -> Happens:
    """Several people use the account at a time, each with a device: two in different cities, or more."""
    people = rng.choice((2, 2, 3, 4))
    clients = rng.sample(_CLIENTS, people)
    places: list[tuple[float, float]] = [_here(page)]
    while len(places) < people:
        apart = people == 2 or rng.random() < 0.5
        near = [place for place in PLACES.values() if 250 < _km(place, _here(page)) < 3000]
        places.append(rng.choice(near) if apart and near else (places[0][0] + 0.02, places[0][1] + 0.02))
    gap, end = _between(rng, 12, 1, strength) * MINUTE_MS, rng.uniform(40, 180) * MINUTE_MS
    events, at = Happens(), 0.0
    while at < end or len(events) < 4:
        who = rng.randrange(people)
        events.append((int(at), "$pageview", _client(page["properties"], places[who], clients[who])))
        for _ in range(rng.randint(0, 2)):
            at += rng.uniform(3, 20) * 1000
            events.append((int(at), rng.choice(("event_viewed", "content_liked", "message_sent")), {}))
        at += rng.uniform(0.3, 1.7) * gap
    return events


def _streak(rng: random.Random, page: Event, strength: float) -> Happens:
    """Payments are refused one after the other: cards are being tried out, or one is blocked."""
    events, at = Happens(), 0.0
    for _ in range(round(_between(rng, 4, 14, strength))):
        events.append((int(at), "payment_failed", {"amount": 500, "reason": "card_declined"}))
        at += rng.uniform(0.2, 6) * MINUTE_MS
        if rng.random() < 0.3:
            events.append((int(at) - 5000, "$pageview", dict(page["properties"])))
    return sorted(events, key=lambda event: event[0])


def _odd(rng: random.Random, page: Event, strength: float) -> Happens:
    """A session in which somebody does far more of one thing than people do, at a person's pace."""
    does = rng.choice(_ODD)
    number, events, at = round(_between(rng, does.mild, does.strong, strength)), Happens(), 0.0
    for _ in range(number):
        for name in does.names:
            events.append((int(at), name, dict(page["properties"]) if name == "$pageview" else {}))
            at += rng.uniform(0.5, 1.5) * does.gap_s * 1000
    return events


@dataclass(frozen=True)
class _Odd:
    """What is done so many times, with so many seconds between."""

    names: tuple[str, ...]
    mild: int
    strong: int
    gap_s: float


_ODD: Final = (
    _Odd(("message_sent",), 25, 200, 8),
    _Odd(("$pageview",), 50, 500, 7),
    _Odd(("$exception",), 6, 80, 12),
    _Odd(("ticket_purchased", "payment_refunded"), 3, 25, 15),
    _Odd(("user_unfollowed",), 7, 80, 6),
    _Odd(("login_failed",), 6, 60, 15),
    _Odd(("event_viewed", "content_liked", "user_followed"), 10, 80, 6),
)


def _nothing(rng: random.Random, page: Event, strength: float) -> Happens:
    return []


_CASES: Final[dict[str, Callable[[random.Random, Event, float], Happens]]] = {
    "impossible_travel": _travel,
    "burst": _burst,
    "account_sharing": _sharing,
    "sudden_inactivity": _nothing,
    "payment_failure_streak": _streak,
    "odd_session": _odd,
}
