"""The security rules' SQL on the real engine, against a plain count over the same events."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from math import acos, cos, radians, sin
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import pyarrow as pa
import pytest
import pytest_asyncio

from loopin_schemas.alert_rule import AlertRule, Threshold
from loopin_schemas.alert_rules.security import DIMENSION_OF
from loopin_schemas.event import EnrichedEvent
from loopin_sinks.alerts import security
from loopin_sinks.alerts.numbers import Numbers
from loopin_sinks.alerts.totals import Total
from loopin_sinks.persons.mapping import PERSON_IDS
from loopin_sinks.persons.rows import IDS_SCHEMA
from loopin_sinks.store import Store, StoreSettings, open_store
from tests.migrated import fill
from tests.sinks.alerts.planted import DAY, HOUR, MINUTE, NOW, event, said, store_events, within

pytestmark = pytest.mark.asyncio(loop_scope="module")

PERSON_OF = {"u1": "u0", "u2": "u0", "u4": "u3"}
"""Some persons have several ids."""

END = NOW - NOW % MINUTE + MINUTE


PLACES: list[dict[str, Any]] = [
    {"$geoip_latitude": 19.1, "$geoip_longitude": 72.9, "$geoip_accuracy_radius": 20},
    {"$geoip_latitude": 18.5, "$geoip_longitude": 73.9},
    {"$geoip_latitude": 51.5, "$geoip_longitude": -0.1, "$geoip_accuracy_radius": 1000},
    {"$geoip_latitude": -33.9, "$geoip_longitude": 151.2, "$geoip_accuracy_radius": 5},
    {"$geoip_latitude": 0, "$geoip_longitude": 0, "$geoip_accuracy_radius": -7},
    {"$geoip_latitude": 52.5, "$geoip_longitude": 13.4, "$geoip_accuracy_radius": 50},
    {"$geoip_latitude": 91, "$geoip_longitude": 13.4},
    {"$geoip_latitude": 48.9},
    {"$geoip_latitude": None, "$geoip_longitude": "east"},
    {},
]
"""Of some it cannot be told where they are."""


def planted() -> list[EnrichedEvent]:
    """A day of many, and 40 days of exports; some of it is another project's."""
    dice, found = Random(5), []
    for _ in range(3000):
        at = END + MINUTE - round(dice.expovariate(1 / (20 * MINUTE)))
        who = f"u{dice.randrange(12)}"
        project = "other" if dice.random() < 0.1 else "shop"
        name = dice.choice(["login_failed", "login_failed", "user_logged_in", "api_request", "$pageview"])
        properties: dict[str, Any] = {}
        if name == "login_failed":
            properties = dice.choice(
                [
                    {},
                    {"username_hash": f"h{dice.randrange(3)}"},
                    {"$ip": f"10.0.{dice.randrange(3)}.0"},
                    {"ip_address": "10.0.1.0", "username_hash": ""},
                ]
            )
        elif name == "api_request":
            properties = {
                "status": dice.choice([200, 201, 302, 401, 403, 404, 500]),
                "route": dice.choice(["/events/", "/reports/Export/", "/export/events"]),
                "duration_ms": 5,
            }
        country = dice.choice([None, "IN", "DE", "US", "BR", "JP"] if who in ("u0", "u5") else [None, "IN"])
        if country:
            properties[dice.choice(["country", "$geoip_country_code"])] = country
        found.append(event(name, who, at, project, **properties))
    for _ in range(400):
        who = f"u{dice.randrange(6)}"
        at = END + 5 * MINUTE - round(dice.uniform(0, 26 * HOUR))
        # Users of some numbers stay where they are; the address of others says little.
        place = PLACES[int(who[1])] if who in ("u3", "u5") and dice.random() < 0.9 else dice.choice(PLACES)
        project = "other" if dice.random() < 0.1 else "shop"
        found.append(event("content_viewed", who, at, project, **place))
    for who, usual in (("u1", 2), ("u3", 5), ("u6", 1), ("u7", 30)):
        for days in range(1, 40):
            at = END - days * DAY - 30 * MINUTE
            found += [event("data_exported", who, at) for _ in range(usual)]
    found += [event("data_exported", who, END - 20 * MINUTE) for who in ("u1", "u7") for _ in range(25)]
    return found


EVENTS = planted()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    chosen = StoreSettings(data_dir=tmp_path_factory.mktemp("security") / "data")
    fill(chosen, migrated)
    opened = open_store(chosen)
    await store_events(opened, EVENTS)
    at = datetime.fromtimestamp(NOW / 1000, UTC)
    rows = [
        {"project": "shop", "distinct_id": each, "person": person, "revision": 1, "_stored_at": at}
        for each, person in PERSON_OF.items()
    ]
    await opened.insert(PERSON_IDS, pa.Table.from_pylist(rows, schema=IDS_SCHEMA), token="persons")
    yield opened
    await opened.close()


def person(of: EnrichedEvent) -> str:
    return PERSON_OF.get(of.distinct_id, of.distinct_id)


def is_export(of: EnrichedEvent) -> bool:
    if of.event == "data_exported":
        return True
    properties = said(of)
    return (
        of.event == "api_request"
        and 200 <= properties["status"] < 400
        and "export" in properties["route"].lower()
    )


Who = Callable[[EnrichedEvent], str]


def tried(of: EnrichedEvent) -> str:
    return said(of).get("username_hash") or person(of)


def address(of: EnrichedEvent) -> str:
    return said(of).get("$ip") or said(of).get("ip_address") or ""


def is_refused(of: EnrichedEvent) -> bool:
    return of.event == "api_request" and said(of)["status"] in (401, 403)


COUNTED: dict[str, tuple[Who, Callable[[EnrichedEvent], bool]]] = {
    "login_failures_of_one_user": (tried, lambda each: each.event == "login_failed"),
    "login_failures_of_one_address": (address, lambda each: each.event == "login_failed"),
    "refused_requests_of_one_user": (person, is_refused),
    "exports_of_one_user": (person, is_export),
}


def asked(minutes: int, least: float, at_least: int = 0, end: int = END) -> security.Asked:
    return security.Asked("shop", end - minutes * MINUTE, end, least, at_least)


@pytest.mark.parametrize("metric", COUNTED)
@pytest.mark.parametrize(("minutes", "least"), [(5, 1), (5, 9), (60, 12.5)])
async def test_counts_are_those_of_a_plain_count(
    store: Store, metric: str, minutes: int, least: float
) -> None:
    who, counts = COUNTED[metric]
    plain = Counter(who(each) for each in within(EVENTS, END - minutes * MINUTE, END) if counts(each))
    expected = {of: Total(n, float(n)) for of, n in plain.items() if of and n >= least}
    assert await security.security_totals(store, metric, asked(minutes, least)) == expected
    assert expected or least > 1


@pytest.mark.parametrize("least", [1, 3, 4.5])
async def test_places_of_a_person(store: Store, least: float) -> None:
    places, numbers = defaultdict(set), Counter[str]()
    for each in within(EVENTS, END - HOUR, END):
        country = said(each).get("country") or said(each).get("$geoip_country_code")
        if country:
            places[person(each)].add(country)
            numbers[person(each)] += 1
    expected = {
        of: Total(numbers[of], float(len(found))) for of, found in places.items() if len(found) >= least
    }
    assert {"u0", "u5"} <= expected.keys()
    assert await security.security_totals(store, "countries_of_one_user", asked(60, least)) == expected


def located(of: EnrichedEvent) -> tuple[float, float, float] | None:
    """Where an event came from, degrees, and how far that may be off, km."""
    properties = said(of)
    latitude, longitude = properties.get("$geoip_latitude"), properties.get("$geoip_longitude")
    if not isinstance(latitude, (int, float)) or not isinstance(longitude, (int, float)):
        return None
    off = max(0, properties.get("$geoip_accuracy_radius", 50))
    return (latitude, longitude, off) if abs(latitude) <= 90 and abs(longitude) <= 180 else None


def speeds(start: int, end: int) -> dict[str, Total]:
    """Of each person the fastest way to an event of a time, by the spherical law of cosines."""
    found: dict[str, list[float]] = defaultdict(list)
    before: dict[str, tuple[int, tuple[float, float, float]]] = {}
    shop = (each for each in EVENTS if each.project == "shop" and each.timestamp < end)
    for each in sorted(shop, key=lambda one: (one.timestamp, one.uuid)):
        place = located(each)
        if place is None:
            continue
        if each.timestamp >= start and person(each) in before:
            at, was = before[person(each)]
            a, b, turned = radians(was[0]), radians(place[0]), radians(place[1] - was[1])
            angle = acos(min(1.0, sin(a) * sin(b) + cos(a) * cos(b) * cos(turned)))
            way = max(0.0, 6371.0088 * angle - was[2] - place[2])
            found[person(each)].append(way / max(each.timestamp - at, MINUTE) * HOUR)
        elif each.timestamp >= start:
            found[person(each)].append(0.0)
        before[person(each)] = each.timestamp, place
    return {of: Total(len(ways), max(ways)) for of, ways in found.items()}


@pytest.mark.parametrize(("minutes", "least"), [(60, 1000.0), (60, 5000.0), (300, 200.0)])
async def test_who_moves_faster_than_anybody_can(store: Store, minutes: int, least: float) -> None:
    plain = speeds(END - minutes * MINUTE, END)
    expected = {of: total for of, total in plain.items() if total.value and total.value >= least}
    found = await security.security_totals(store, "travel_speed_of_one_user", asked(minutes, least))
    assert {of: total.number for of, total in found.items()} == {of: n.number for of, n in expected.items()}
    for of, total in expected.items():
        assert found[of].value == pytest.approx(total.value, rel=1e-6)
    assert found
    assert plain.keys() - found.keys()


@pytest.mark.parametrize(("least", "at_least"), [(0.0, 1), (2.0, 10), (9.0, 10)])
async def test_exports_against_what_is_usual(store: Store, least: float, at_least: int) -> None:
    start = END - HOUR
    hours: dict[str, Counter[int]] = defaultdict(Counter)
    for each in within(EVENTS, start - 30 * DAY, END):
        if is_export(each):
            hours[person(each)][(END - 1 - each.timestamp) // HOUR] += 1
    expected = {}
    for of, counts in hours.items():
        # Of an even number of hours the upper of the two in the middle.
        before = sorted(n for ago, n in counts.items() if ago > 0)
        usual = before[len(before) // 2] if len(before) >= 3 else 0
        if counts[0] >= at_least and usual and counts[0] / usual >= least:
            expected[of] = Total(counts[0], counts[0] / usual)
    found = await security.security_totals(store, "exports_against_median", asked(60, least, at_least))
    assert found == expected
    assert "u0" in expected
    assert ("u7" in expected) is (least == 0)


async def test_nobody_exports_in_an_hour_without_events(store: Store) -> None:
    later = asked(60, 0, end=END + 10 * HOUR)
    for metric in DIMENSION_OF:
        assert await security.security_totals(store, metric, later) == {}


async def test_what_is_below_the_end_of_an_alert_is_not_asked_for(store: Store) -> None:
    unused: Any = None
    numbers = Numbers(store, unused, unused)
    rule = AlertRule(
        project="shop",
        name="mine",
        metric="login_failures_of_one_user",
        condition=Threshold(warning=20, hysteresis=0.5),
        by="user",
    )
    [found] = await numbers.totals("shop", rule, (END - HOUR, END), END)
    who, counts = COUNTED[rule.metric]
    plain = Counter(who(each) for each in within(EVENTS, END - HOUR, END) if counts(each))
    assert found.keys() == {of for of, n in plain.items() if n >= 10}
    assert median(plain.values()) > 0
