"""A community over HTTP has the numbers of the plain computation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_schemas.scores.community_activity import community_activity_score
from loopin_schemas.scores.current_activity import current_activity
from loopin_sinks.store import Store
from tests.metrics import plain
from tests.metrics.community_worlds import NOW, world
from tests.metrics.plain import DAY, MINUTE, World, persons
from tests.metrics.plain_communities import Community
from tests.metrics.stored import store_persons

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

COMMUNITIES = "/api/community-analytics"
WORLD = world(1)

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker) -> FastAPI:
    told = settings.model_copy(
        update={"project_timezone": "America/New_York", "internal_users": tuple(WORLD.internal)}
    )
    return create_app(told, store, broker, clock=lambda: NOW)


async def fill(store: Store, put: Put, of: World) -> None:
    await put(of.events)
    await store_persons(store, of)


async def get(client: httpx.AsyncClient, bearer: Bearer, path: str) -> dict[str, Any]:
    response = await client.get(f"{COMMUNITIES}/{path}", headers=bearer("read"))
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def near(value: float | None) -> Any:
    return None if value is None else pytest.approx(value, abs=0.005)


@pytest.mark.parametrize("community", ["c-1", "7"])
async def test_a_community_now(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put, community: str
) -> None:
    await fill(store, put, WORLD)
    found = await get(client, bearer, f"{community}/realtime/")
    of = Community(WORLD, community)
    online, day, peaks = of.online(), of.within(DAY), of.peaks_by_day(7)
    assert online > 3
    assert found == {
        "community_id": 7 if community == "7" else community,
        "online_members": online,
        "activity_score": round(community_activity_score(len(persons(day)), len(day), online), 1),
        "peak_members_today": max(peaks[-1], online),
        "current_activity": current_activity(online, max(*peaks, online)),
        "active_members_24h": len(persons(day)),
        "actions_24h": len(day),
        "tz": "America/New_York",
        "freshness_s": found["freshness_s"],
        "basis": "persons",
    }


@pytest.mark.parametrize(("community", "days"), [("c-1", 7), ("7", 30)])
async def test_a_report(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put, community: str, days: int
) -> None:
    await fill(store, put, WORLD)
    query = "" if days == 7 else f"?days={days}"
    found = await get(client, bearer, f"{community}/report/{query}")
    of, today = Community(WORLD, community), WORLD.day(NOW)
    first = today - (days - 1) * DAY
    span = WORLD.midnight(first), NOW
    assert found["date_range"] == {"start": str(first), "end": str(today + DAY)}
    metrics = found["metrics"]
    patterns = metrics.pop("activity_patterns")
    assert len(of.members(span[0])) > 5
    hours = of.busy(*span, of.hour)
    assert metrics == {
        "total_views": plain.calculate("community_views", of.world, *span),
        "unique_visitors": len(persons(plain.between(of.world.acts, *span, "community_viewed"))),
        "peak_online_members": plain.calculate("peak_community_activity", of.world, *span),
        "average_session_duration": near(of.session_minutes(*span)),
        "member_retention": round(100 * len(of.retained(*span)) / len(of.members(span[0])), 1),
        "members_at_start": len(of.members(span[0])),
        "joins": plain.calculate("community_joins", of.world, *span),
        "leaves": len(plain.between(of.world.acts, *span, "community_left")),
        "peak_hours": sorted(hours, key=lambda hour: (-hours[hour][0], hour))[:3],
    }
    dates = [first + number * DAY for number in range(days)]
    expected = {
        "hourly": ("hour", range(24), of.hour),
        "daily": ("date", dates, lambda act: act.day),
        "weekly": ("weekday", range(1, 8), lambda act: act.day.isoweekday()),
    }
    assert patterns.pop("grain") == "day"
    assert patterns == {
        name: [
            dict(zip(("actions", "members"), busy.get(value, (0, 0)), strict=True))
            | {key: str(value) if name == "daily" else value}
            for value in values
        ]
        for name, (key, values, value_of) in expected.items()
        for busy in [of.busy(*span, value_of)]
    }


async def test_one_whom_nobody_knows(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    """It has zeros, and so has another project's."""
    await put([enrich("community_viewed", "user-1", NOW, {"community_id": 5}, project="other")])
    assert await get(client, bearer, "5/realtime") == {
        "community_id": 5,
        "online_members": 0,
        "activity_score": 0.0,
        "peak_members_today": 0,
        "current_activity": "low",
        "active_members_24h": 0,
        "actions_24h": 0,
        "tz": "America/New_York",
        "freshness_s": 0.0,
        "basis": "persons",
    }
    metrics = (await get(client, bearer, "5/report?days=1"))["metrics"]
    patterns = metrics.pop("activity_patterns")
    assert patterns.pop("grain") == "day"
    assert [[one["actions"] for one in part] for part in patterns.values()] == [[0] * 24, [0], [0] * 7]
    assert metrics == {
        "total_views": 0,
        "unique_visitors": 0,
        "peak_online_members": 0,
        "average_session_duration": None,
        "member_retention": None,
        "members_at_start": 0,
        "joins": 0,
        "leaves": 0,
        "peak_hours": [],
    }


async def test_online_is_within_five_minutes_to_the_millisecond(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    """In none of the day's minutes do both count who are there now, yet the peak is not below them."""
    about, five = {"community_id": "c-1"}, timedelta(minutes=5)
    await put(
        [
            enrich("community_activity", "just", NOW - five + plain.MILLISECOND, about),
            enrich("community_activity", "no longer", NOW - five, {"community_id": "c-3"}),
            enrich("community_viewed", "now", NOW, about),
            enrich("community_viewed", "to come", NOW + 2 * MINUTE, about),
            enrich("community_viewed", "elsewhere", NOW, {"community_id": "c-2"}),
            enrich("api_request", "a machine", NOW, about),
        ]
    )
    found = await get(client, bearer, "c-1/realtime")
    assert (found["online_members"], found["peak_members_today"]) == (2, 2)
    found = await get(client, bearer, "c-3/realtime")
    assert (found["online_members"], found["peak_members_today"]) == (0, 1)


async def test_members_are_kept_who_do_anything_but_leave(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    about, earlier, at = {"community_id": 1}, NOW - 10 * DAY, NOW - timedelta(hours=3)
    joined = [
        enrich("community_joined", user, earlier, about) for user in ("active", "silent", "leaver", "gone")
    ]
    await put(
        [
            *joined,
            enrich("community_left", "gone", earlier + DAY, about),
            enrich("community_viewed", "gone", at, about),
            enrich("community_viewed", "active", at, about),
            enrich("community_left", "active", at + MINUTE, about),
            enrich("community_left", "leaver", at, about),
            enrich("community_viewed", "silent", at, {"community_id": 2}),
            enrich("community_joined", "new", at, about),
        ]
    )
    metrics = (await get(client, bearer, "1/report"))["metrics"]
    assert (metrics["members_at_start"], metrics["member_retention"]) == (3, 33.3)
    assert (metrics["joins"], metrics["leaves"], metrics["unique_visitors"]) == (1, 2, 2)


async def test_days_and_hours_follow_the_zone(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    """20:00 UTC on a Sunday is 01:30 on a Monday in Kolkata."""
    at = datetime(2026, 3, 29, 20, tzinfo=UTC)
    await put([enrich("community_viewed", "user-1", at, {"community_id": 1})])
    found = await get(client, bearer, "1/report?from=2026-03-29&to=2026-03-30&tz=Asia/Kolkata")
    assert found["date_range"] == {"start": "2026-03-29", "end": "2026-03-31"}
    metrics = found["metrics"]
    assert metrics["peak_hours"] == [1]
    assert [day["actions"] for day in metrics["activity_patterns"]["daily"]] == [0, 1]
    assert [day["actions"] for day in metrics["activity_patterns"]["weekly"]] == [1, 0, 0, 0, 0, 0, 0]


async def test_a_long_range_is_told_by_weeks_or_months(client: httpx.AsyncClient, bearer: Bearer) -> None:
    async def daily(days: int) -> tuple[str, int, str]:
        patterns = (await get(client, bearer, f"1/report?days={days}"))["metrics"]["activity_patterns"]
        return patterns["grain"], len(patterns["daily"]), patterns["daily"][0]["date"]

    assert await daily(1000) == ("day", 1000, "2023-07-06")
    assert (await daily(1001))[:2] == ("week", 144)
    found = await get(client, bearer, "1/report?from=1970-01-01&to=2199-12-30")
    assert found["metrics"]["activity_patterns"]["grain"] == "month"


async def test_what_cannot_be_asked(client: httpx.AsyncClient, bearer: Bearer, refused: Refused) -> None:
    async def ask(path: str, *scopes: Any) -> httpx.Response:
        return await client.get(f"{COMMUNITIES}/{path}", headers=bearer(*(scopes or ("read",))))

    refused(await ask("1/report?days=0"), 422, "VALIDATION_ERROR")
    refused(await ask("1/report?days=many"), 422, "VALIDATION_ERROR")
    refused(await ask("1/report?days=3&from=-7d"), 422, "VALIDATION_ERROR")
    refused(await ask("1/realtime?days=3"), 422, "VALIDATION_ERROR")
    refused(await ask(f"{'c' * 201}/realtime"), 422, "VALIDATION_ERROR")
    refused(await ask("1/report", "ingest"), 403, "INSUFFICIENT_SCOPE")
    refused(await client.get(f"{COMMUNITIES}/1/realtime"), 401, "UNAUTHENTICATED")
