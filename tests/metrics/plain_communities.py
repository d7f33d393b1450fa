"""Communities and their restriction to places once more, as the definitions read, over a list of events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from math import acos, cos, radians, sin

from tests.metrics.plain import (
    DAY,
    MILLISECOND,
    MINUTE,
    NEVER,
    Act,
    World,
    before,
    between,
    first_text,
    having,
    mean,
    minutes_long,
    online_members,
    over,
    persons,
    sessions_begun,
)


class Community:
    """A community in a world: ``world`` has its events alone, ``whole`` all of them."""

    def __init__(self, whole: World, community: str) -> None:
        self.whole = whole
        self.world = having(whole, "community", community)

    def within(self, length: timedelta) -> list[Act]:
        """What was done in the last while, now included, its other end not."""
        now = self.world.now
        return between(self.world.active, now - length + MILLISECOND, now + MILLISECOND)

    def online(self) -> int:
        return len(persons(self.within(5 * MINUTE)))

    def peaks_by_day(self, days: int) -> list[int]:
        """The most online in any minute of each of the last days, today up to this minute and last."""
        today = self.world.day(self.world.now)
        starts = [self.world.midnight(today - ago * DAY) for ago in reversed(range(days))]
        ends = [*starts[1:], self.world.now]
        return [max(online_members(self.world, *day)) for day in zip(starts, ends, strict=True)]

    def session_minutes(self, start: datetime, end: datetime) -> float | None:
        return mean([minutes_long(session) for session in sessions_begun(self.world, start, end)])

    def members(self, moment: datetime) -> set[str]:
        """Those who joined last before the moment, and did not leave after that or at the same time."""
        latest: dict[str, tuple[datetime, bool]] = {}
        for act in before(self.world.acts, moment):
            if act.name in ("community_joined", "community_left"):
                told = act.at, act.name == "community_left"
                latest[act.person] = max(told, latest.get(act.person, (NEVER, True)))
        return {person for person, (_, left) in latest.items() if not left}

    def retained(self, start: datetime, end: datetime) -> set[str]:
        """Of the members at the start, those who did more until the end than leave."""
        active = between(self.world.active, start, end)
        return self.members(start) & persons(act for act in active if act.name != "community_left")

    def busy(
        self, start: datetime, end: datetime, of: Callable[[Act], Hashable]
    ) -> dict[Hashable, tuple[int, int]]:
        """Events and distinct persons, by what ``of`` says of an event."""
        found = by(between(self.world.active, start, end), of)
        return {value: (len(acts), len(persons(acts))) for value, acts in found.items()}

    def hour(self, act: Act) -> int:
        return act.at.astimezone(self.world.zone).hour

    def checked(self, start: datetime, end: datetime) -> list[Act]:
        return between(self.world.acts, start, end, "geo_access_checked")

    def traveling(self, start: datetime, end: datetime) -> list[Act]:
        """Attempts of persons who say they are away from home, or are by where they signed up."""
        homes = self.homes(end)
        return [
            act
            for act in self.checked(start, end)
            if act.properties.get("is_traveler") is True or elsewhere(place(act), homes.get(act.person))
        ]

    def impossible(self, start: datetime, end: datetime) -> list[tuple[Act, float]]:
        """Attempts here, each with how fast (km/h) its person came from the attempt before, wherever."""
        found: list[tuple[Act, float]] = []
        last: dict[str, Act] = {}
        attempts = (act for act in self.whole.acts if act.name == "geo_access_checked" and where(act))
        for act in sorted(attempts, key=lambda act: (act.at, act.event.uuid)):
            before = last.get(act.person)
            last[act.person] = act
            if before is None or not start <= act.at < end or act not in self.checked(start, end):
                continue
            speed = between_km(before, act) / max((act.at - before.at).total_seconds(), 60) * 3600
            if speed >= 1000:
                found.append((act, speed))
        return found

    def homes(self, end: datetime) -> dict[str, list[str]]:
        """The places of persons' first sign-ups that name any; at the same time, the least by its names."""
        found: dict[str, tuple[datetime, list[str]]] = {}
        for act in between(self.whole.acts, NEVER, end, "user_signed_up"):
            if any(place(act)):
                told = act.at, place(act)
                found[act.person] = min(told, found.get(act.person, told))
        return {person: home for person, (_, home) in found.items()}


def place(act: Act) -> list[str]:
    """Country as told and as found by the address, and the city likewise; empty where unknown."""
    names = ("country", "$geoip_country_code", "city", "$geoip_city_name")
    return [(first_text(act, name) or "").strip().lower() for name in names]


def where(act: Act) -> tuple[float, float, float] | None:
    """Latitude and longitude, degrees, and how far they may be off, km; None where they are unknown."""
    latitude, longitude = (act.properties.get(f"$geoip_{name}") for name in ("latitude", "longitude"))
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return latitude, longitude, act.properties.get("$geoip_accuracy_radius", 50)


def between_km(one: Act, other: Act) -> float:
    """The way from one event's place to another's, less what both may be off; by the law of cosines."""
    a, b = where(one), where(other)
    assert a is not None
    assert b is not None
    north, south, turned = radians(a[0]), radians(b[0]), radians(b[1] - a[1])
    angle = acos(min(1.0, sin(north) * sin(south) + cos(north) * cos(south) * cos(turned)))
    return max(0.0, 6371.0088 * angle - a[2] - b[2])


def elsewhere(there: Sequence[str], home: Sequence[str] | None) -> bool:
    """Whether the first name that both have differs."""
    both = [(one, other) for one, other in zip(there, home or [""] * 4, strict=True) if one and other]
    return bool(both) and both[0][0] != both[0][1]


def located(act: Act) -> tuple[str | None, str | None, str | None]:
    """Country, region and city of an attempt, told or else found by the address."""
    return (
        first_text(act, "country", "$geoip_country_code"),
        first_text(act, "region", "$geoip_subdivision_1_name"),
        first_text(act, "city", "$geoip_city_name"),
    )


def results(acts: Iterable[Act]) -> tuple[int, int, int, float | None]:
    """All, allowed, blocked, and the blocked of all in percent."""
    told = [act.properties.get("access_result") for act in acts]
    share = over(told.count("blocked"), len(told))
    return (
        len(told),
        told.count("allowed"),
        told.count("blocked"),
        None if share is None else round(share * 100, 1),
    )


def by(acts: Iterable[Act], of: Callable[[Act], Hashable]) -> dict[Hashable, list[Act]]:
    found: dict[Hashable, list[Act]] = defaultdict(list)
    for act in acts:
        found[of(act)].append(act)
    return found


def ranked(acts: Iterable[Act], depth: int) -> dict[Hashable, tuple[int, int, int, float | None]]:
    """Results by the first ``depth`` of country, region and city, the others None."""
    return {
        where: results(there)
        for where, there in by(acts, lambda act: (*located(act)[:depth], *[None] * (3 - depth))).items()
    }
