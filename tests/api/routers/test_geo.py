"""A restriction to places over HTTP has the numbers of the plain computation."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_sinks.store import Store
from tests.api.routers.test_communities import Refused, fill
from tests.metrics import plain
from tests.metrics.community_worlds import NOW, world
from tests.metrics.plain import DAY, persons
from tests.metrics.plain_communities import Community, by, located, ranked, results

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

GEO = "/api/geo-analytics"
WORLD = world(3)
COUNTED = ("attempts", "allowed", "blocked", "effectiveness_percentage")


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker) -> FastAPI:
    told = settings.model_copy(
        update={"project_timezone": "America/New_York", "internal_users": tuple(WORLD.internal)}
    )
    return create_app(told, store, broker, clock=lambda: NOW)


async def get(client: httpx.AsyncClient, bearer: Bearer, path: str) -> dict[str, Any]:
    response = await client.get(f"{GEO}/{path}", headers=bearer("read"))
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


@pytest.mark.parametrize(("community", "days"), [("c-1", 30), ("7", 4)])
async def test_a_report(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put, community: str, days: int
) -> None:
    await fill(store, put, WORLD)
    found = await get(client, bearer, f"{community}/report/?days={days}")
    of, first = Community(WORLD, community), WORLD.day(NOW) - (days - 1) * DAY
    span = WORLD.midnight(first), NOW
    checked, traveling = of.checked(*span), of.traveling(*span)
    assert len(traveling) > len([act for act in traveling if act.properties["is_traveler"] is True]) > 0
    total, allowed, blocked, share = results(checked)
    assert total > allowed + blocked, "what is neither counts as an attempt"
    assert found["restriction_effectiveness"] == {
        "total_attempts": total,
        "blocked_attempts": blocked,
        "allowed_attempts": allowed,
        "effectiveness_percentage": share,
    }
    ratio = plain.calculate("geo_blocked_share", of.world, *span)
    assert ratio is not None
    assert share == round(100 * ratio, 1)

    bypassed = [act for act in checked if act.properties["bypass"] is True]
    assert found["bypass_attempts"] == len(bypassed)
    fast = of.impossible(*span)
    assert found["travelers"] == {
        "users": len(persons(traveling)),
        "attempts": len(traveling),
        "impossible_speed": {
            "flagged": True,
            "attempts": len(fast),
            "users": len(persons(act for act, _ in fast)),
            "fastest_kmh": pytest.approx(max(speed for _, speed in fast), abs=0.1),
        },
    }
    assert 0 < len(fast) < len(checked)
    decided = by(checked, lambda act: f"{act.properties['reason']}_{act.properties['access_result']}")
    assert found["categories"] == {
        **{
            f"{reason}_{result}": len(decided[f"{reason}_{result}"])
            for reason in ("country", "city", "region")
            for result in ("blocked", "allowed")
        },
        **{
            f"unnamed_{result}": sum(len(decided[f"{reason}_{result}"]) for reason in ("mood", ""))
            for result in ("blocked", "allowed")
        },
        "traveler_access": len(traveling),
        "restriction_bypass": len(bypassed),
    }

    for depth, name in enumerate(("by_country", "by_region", "by_city"), 1):
        rows = found["location_breakdown"][name]
        counted = {
            (row["country"], row["region"], row["city"]): tuple(row[each] for each in COUNTED) for row in rows
        }
        assert counted == ranked(checked, depth)
        assert [row["attempts"] for row in rows] == sorted((row["attempts"] for row in rows), reverse=True)
    refused = by(
        (act for act in checked if act.properties["access_result"] == "blocked"),
        lambda act: located(act)[::2],
    )
    top = found["top_blocked_locations"]
    assert {(row["country"], row["city"]): row["attempts"] for row in top} == {
        where: len(acts) for where, acts in refused.items()
    }
    assert [row["attempts"] for row in top] == sorted(map(len, refused.values()), reverse=True)

    by_day, away = by(checked, lambda act: act.day), by(traveling, lambda act: act.day)
    around, flew = by(bypassed, lambda act: act.day), by((act for act, _ in fast), lambda act: act.day)
    dates = [first + number * DAY for number in range(days)]
    assert found["trends"] == [
        {
            **dict(zip(COUNTED, results(by_day.get(day, [])), strict=True)),
            "date": str(day),
            "travelers": len(away.get(day, [])),
            "bypassed": len(around.get(day, [])),
            "impossible_speed": len(flew.get(day, [])),
        }
        for day in dates
    ]
    assert found["grain"] == "day"

    short = await get(client, bearer, f"{community}/effectiveness?days={days}")
    assert short == {**{name: found[name] for name in short}, "freshness_s": short["freshness_s"]}
    assert short["community_id"] == (7 if community == "7" else community)


async def test_the_documents_example(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    def attempts(count: int, result: str, country: str, city: str) -> list[Any]:
        about = {"community_id": 123, "access_result": result, "country": country, "city": city}
        at = NOW - timedelta(hours=2)
        return [enrich("geo_access_checked", f"visitor-{n}", at, about) for n in range(count)]

    await put(
        [
            *attempts(45, "blocked", "Country A", "City X"),
            *attempts(32, "blocked", "Country B", "City Y"),
            *(one for n in range(10) for one in attempts(5, "blocked", "Country C", f"City {n}")),
            *attempts(323, "allowed", "Country A", "City X"),
            enrich("geo_access_checked", "user-1", NOW - 31 * DAY, {"community_id": 123}),
            enrich("geo_access_checked", "user-1", NOW, {"community_id": 124}),
            enrich("geo_access_checked", "user-1", NOW, {"community_id": 123}, project="other"),
        ]
    )
    found = await get(client, bearer, "123/effectiveness/")
    assert found["restriction_effectiveness"] == {
        "total_attempts": 450,
        "blocked_attempts": 127,
        "allowed_attempts": 323,
        "effectiveness_percentage": 28.2,
    }
    assert found["top_blocked_locations"][:2] == [
        {"country": "Country A", "city": "City X", "attempts": 45},
        {"country": "Country B", "city": "City Y", "attempts": 32},
    ]
    assert len(found["top_blocked_locations"]) == 10
    assert found["date_range"] == {"start": "2026-03-02", "end": "2026-04-01"}


async def test_one_whom_nobody_tried_to_enter(client: httpx.AsyncClient, bearer: Bearer) -> None:
    found = await get(client, bearer, "c-9/report?days=2")
    nothing = {"attempts": 0, "allowed": 0, "blocked": 0, "effectiveness_percentage": None}
    assert found["restriction_effectiveness"]["effectiveness_percentage"] is None
    assert found["top_blocked_locations"] == []
    none = {"flagged": False, "attempts": 0, "users": 0, "fastest_kmh": None}
    assert found["travelers"] == {"users": 0, "attempts": 0, "impossible_speed": none}
    assert set(found["categories"].values()) == {0}
    assert found["location_breakdown"] == {"by_country": [], "by_region": [], "by_city": []}
    assert found["trends"] == [
        {**nothing, "date": day, "travelers": 0, "bypassed": 0, "impossible_speed": 0}
        for day in ("2026-03-30", "2026-03-31")
    ]
    assert found["freshness_s"] is None


HOMES: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"country": "India"}, {"country": "Nepal"}, True),
    ({"country": "India"}, {"country": "india "}, False),
    # Of one country, however far apart.
    ({"country": "India", "city": "Mumbai"}, {"country": "India", "city": "Delhi"}, False),
    ({"city": "Mumbai"}, {"country": "India", "city": "Delhi"}, True),
    # A country's name is not its code: told is compared with told, found with found.
    ({"country": "India", "$geoip_country_code": "IN"}, {"$geoip_country_code": "IN"}, False),
    ({"country": "India", "$geoip_country_code": "IN"}, {"$geoip_country_code": "NP"}, True),
    ({"country": "India"}, {"$geoip_country_code": "IN"}, False),
    ({}, {"country": "India"}, False),
    ({}, {"is_traveler": True}, True),
    ({"country": "India"}, {}, False),
]
"""Place of the sign-up, that of an attempt, and whether they make somebody a traveller."""


async def test_who_travels(client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich) -> None:
    signed_up, checked = NOW - 200 * DAY, NOW - timedelta(hours=1)
    await put(
        [
            enrich("user_signed_up", "stranger", signed_up - DAY, {"country": "Chile", "city": "Arica"}),
            *(enrich("user_signed_up", f"of-{n}", signed_up, home) for n, (home, _, _) in enumerate(HOMES)),
            *(
                enrich("geo_access_checked", f"of-{n}", checked, {"community_id": n, **there})
                for n, (_, there, _) in enumerate(HOMES)
            ),
        ]
    )
    for number, case in enumerate(HOMES):
        found = await get(client, bearer, f"{number}/report?days=2")
        told = found["travelers"]
        assert (told["users"], told["attempts"]) == (case[2], case[2]), case
        assert found["categories"]["traveler_access"] == case[2], case


async def test_a_person_may_have_signed_up_by_another_id(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put, enrich: Enrich
) -> None:
    events = [
        enrich("user_signed_up", "user-1", NOW - 20 * DAY, {"country": "India"}),
        enrich("geo_access_checked", "user-2", NOW, {"community_id": 1, "country": "Nepal"}),
        enrich("geo_access_checked", "user-0", NOW, {"community_id": 1, "country": "Nepal"}),
        enrich("geo_access_checked", "user-6", NOW, {"community_id": 1, "is_traveler": True}),
    ]
    await fill(store, put, replace(WORLD, events=events))
    found = await get(client, bearer, "1/report?to=2026-03-31")
    told = found["travelers"]
    assert (told["users"], told["attempts"]) == (1, 2), "user-6 is of the project's own people"


async def test_what_cannot_be_asked(client: httpx.AsyncClient, bearer: Bearer, refused: Refused) -> None:
    for path in ("1/report", "1/effectiveness"):
        refused(await client.get(f"{GEO}/{path}?days=0", headers=bearer("read")), 422, "VALIDATION_ERROR")
        refused(await client.get(f"{GEO}/{path}?city=x", headers=bearer("read")), 422, "VALIDATION_ERROR")
        refused(await client.get(f"{GEO}/{path}", headers=bearer("ingest")), 403, "INSUFFICIENT_SCOPE")
        refused(await client.get(f"{GEO}/{path}"), 401, "UNAUTHENTICATED")
