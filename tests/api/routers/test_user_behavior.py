"""What a user is like, over HTTP: counts of the days against plain ones, and what the profile says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.envelope import iso_ms
from loopin_api.queries.behaviour import peaks
from loopin_api.settings import ApiSettings
from loopin_schemas.profile import Score
from loopin_sinks.store import Store
from tests.api.personas_stored import store_personas
from tests.metrics.plain import Act, between
from tests.metrics.plain_users import engagement
from tests.metrics.stored import settings_of, store_persons
from tests.metrics.worlds import NOW, world
from tests.sinks.persons.lived import lived, store_profiles
from tests.streams.behaviour.plain_habits import Did

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

PATH = "/api/analytics/user-behavior"
WORLD = world(6)
REFUSED = Callable[[httpx.Response, int, str], dict[str, Any]]
ACTS = (
    "event_viewed",
    "event_join_requested",
    "event_joined",
    "event_attended",
    "event_reviewed",
    "ticket_purchased",
)


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker) -> FastAPI:
    """With the world's zone, currency, rates and people."""
    return create_app(settings_of(WORLD, settings), store, broker, clock=lambda: NOW)


async def ask(client: httpx.AsyncClient, bearer: Bearer, user: int | str, **more: Any) -> Any:
    response = await client.post(PATH, json={"user_id": user, **more}, headers=bearer("read"))
    assert response.status_code == 200, response.text
    return response.json()["data"]


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def did(acts: Sequence[Act], *ids: str) -> list[Did]:
    return [
        Did(act.name, ms(act.at), dict(act.properties))
        for act in acts
        if act.event.distinct_id in ids or not ids
    ]


def busiest(counts: Counter[int], most: int) -> list[int]:
    """The most frequent, none with less than half of the first one's."""
    ranked = sorted(counts, key=lambda place: (-counts[place], place))[:most]
    return sorted(place for place in ranked if counts[place] >= counts[ranked[0]] / 2)


async def test_a_person_of_several_ids(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put, enrich: Enrich
) -> None:
    # The world's platform events have no category; one that is viewed by name has one of its own.
    categories = {f"event-{n}": ("music", "food", "art")[n % 3] for n in range(3, 12)} | {"1": "sports"}
    long_ago = NOW - timedelta(days=700)
    hosted = [
        enrich("event_created", "host", long_ago, {"event_id": id, "category": of})
        for id, of in categories.items()
    ]
    named = enrich(
        "event_viewed", "user-1", NOW - timedelta(days=3), {"event_id": "event-3", "category": "opera"}
    )
    await put([*WORLD.events, *hosted, named])
    await store_persons(store, WORLD)
    days = 40
    start = WORLD.midnight(WORLD.day(NOW) - timedelta(days=days - 1))
    mine = [act for act in WORLD.active if act.person == "user-0" and act.at < NOW]
    ids = ("user-0", "user-1", "user-2")
    profiles = {each: lived([*did(mine, each), Did("click", ms(NOW))]) for each in ids}
    profiles["user-1"].scores = {
        "churn": Score(0.81, ms(NOW), 7, (3, -2)),
        "conversion": Score(0.25, ms(NOW), 0),
    }
    await store_profiles(store, profiles)

    found = await ask(client, bearer, "user-2", days=days)

    acts = between(mine, start, NOW)
    told = [act.name for act in acts] + ["event_viewed"]
    whole = engagement(WORLD, "user-0", start, NOW)
    # The view that was added is on a day and in a time of its own: a session more, without length.
    sessions = whole["session_count"] + 1
    patterns, preferences = found["activity_patterns"], found["preferences"]
    assert found["user_id"] == "user-0"
    assert patterns["sessions"] == sessions
    assert patterns["session_length"] == pytest.approx(whole["session_duration_total"] / 60 / sessions)
    assert patterns["events_per_session"] == pytest.approx(len(told) / sessions)
    local = [act.at.astimezone(WORLD.zone) for act in acts] + [
        (NOW - timedelta(days=3)).astimezone(WORLD.zone)
    ]
    hours, weekdays = Counter(at.hour for at in local), Counter(at.weekday() for at in local)
    assert patterns["hours"] == [hours[hour] for hour in range(24)]
    assert patterns["weekdays"] == [weekdays[day] for day in range(7)]
    assert (patterns["peak_hours"], patterns["peak_days"]) == (busiest(hours, 3), busiest(weekdays, 2))
    assert patterns["tz"] == str(WORLD.zone)
    assert preferences["actions"] == Counter(told)
    assert list(preferences["actions"].values()) == sorted(preferences["actions"].values(), reverse=True)
    communities = Counter(
        str(act.properties["community_id"]) for act in acts if "community_id" in act.properties
    )
    assert preferences["communities"] == communities
    liked = [str(act.properties.get("event_id")) for act in acts if act.name in ACTS]
    types = Counter(categories[id] for id in liked if id in categories)
    assert preferences["event_types"] == types + Counter(["opera"])
    assert len(types) == 4

    assert found["predictions"] == {
        "churn_risk": 0.81,
        "conversion_probability": 0.25,
        "engagement_trend": found["predictions"]["engagement_trend"],
    }
    churn, conversion = found["scores"]
    assert (churn["target"], churn["method"], churn["model_version"]) == ("churn", "model", 7)
    assert [reason["effect"] for reason in churn["reasons"]] == ["raises", "lowers"]
    assert (conversion["method"], conversion["model_version"]) == ("heuristic", None)
    assert found["profile"]["churn_risk_score"] == 0.81
    assert found["profile"]["last_analysis_at"] == iso_ms(NOW)
    assert "high_churn_probability" in [risk["name"] for risk in found["risk_factors"]]
    assert (found["period_start"], found["tz"]) == (iso_ms(start), str(WORLD.zone))


async def test_the_score_is_that_of_the_users_page(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put
) -> None:
    await put(WORLD.events)
    await store_persons(store, WORLD)
    found = await ask(client, bearer, "user-9", days=20)
    start = WORLD.midnight(WORLD.day(NOW) - timedelta(days=19))
    expected = engagement(WORLD, WORLD.person("user-9"), start, NOW)
    assert found["engagement_score"] == pytest.approx(expected["engagement_score"], rel=1e-9)
    assert found["engagement_level"] == expected["engagement_level"]
    assert found["activity_patterns"]["active_days"] == expected["active_days"]
    # There is no profile, and nothing is made up.
    assert (found["profile"], found["scores"]) == (None, [])
    assert set(found["predictions"].values()) == {None}


async def test_hours_are_those_of_the_users_clock(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put, enrich: Enrich
) -> None:
    at = NOW - timedelta(hours=20)
    await put([enrich("click", "42", at), enrich("api_request", "42", at, {"status": 200})])
    log = [
        Did("ticket_purchased", ms(at), {"$timezone": "Asia/Kolkata", "amount": 500, "currency": "INR"}),
        Did("ticket_purchased", ms(at), {"amount": 100, "currency": "INR"}),
        Did("ticket_purchased", ms(at), {"amount": 90}),
        Did("ticket_purchased", ms(at), {"amount": 45, "currency": WORLD.currency}),
        Did("event_viewed", ms(at), {"price": 9.5, "category": "music"}),
        *(Did("payment_failed", ms(at) + n) for n in range(3)),
    ]
    await store_profiles(store, {"42": lived(log)})
    found = await ask(client, bearer, 42)
    there = at.astimezone(ZoneInfo("Asia/Kolkata"))
    assert found["user_id"] == 42
    assert found["activity_patterns"]["tz"] == "Asia/Kolkata"
    assert found["activity_patterns"]["peak_hours"] == [there.hour]
    assert found["activity_patterns"]["peak_days"] == [there.weekday()]
    assert sum(found["activity_patterns"]["hours"]) == 1
    assert found["preferences"]["price_range"] == {
        "bought": {
            "INR": {"min": 100.0, "max": 500.0, "mean": 300.0, "count": 2},
            # Of what names none, as of revenue, it is the project's.
            WORLD.currency: {"min": 45.0, "max": 90.0, "mean": 67.5, "count": 2},
        },
        "viewed": {WORLD.currency: {"min": 9.5, "max": 9.5, "mean": 9.5, "count": 1}},
    }
    assert found["profile"]["preferred_event_types"] == ["music"]
    assert (found["profile"]["peak_hours"], found["profile"]["sessions"]) == ([there.hour], 1)
    [risk] = found["risk_factors"]
    assert (risk["name"], risk["value"], risk["threshold"]) == ("payment_failures", 3, 2)


async def test_of_a_newcomer_the_days_asked_for_and_those_since_the_first_event_are_told_apart(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put, enrich: Enrich
) -> None:
    at = NOW - timedelta(minutes=1)
    await put([enrich("$pageview", "new", at)])
    await store_profiles(store, {"new": lived([Did("$pageview", ms(at), {})])})
    found = await ask(client, bearer, "new", days=30)
    assert found["engagement_score"] == pytest.approx(0.5 / 30 + 0.2 * (1 / 30) / (1 / 30 + 2))
    assert found["profile"]["engagement_score"] == pytest.approx(0.5 + 0.2 / 3)


async def test_who_has_been_away_has_a_profile_still(
    client: httpx.AsyncClient, bearer: Bearer, store: Store
) -> None:
    """Events are kept for 90 days, profiles longer."""
    await store_profiles(store, {"gone": lived([Did("click", ms(NOW - timedelta(days=120)))])})
    found = await ask(client, bearer, "gone", days=7)
    assert found["activity_patterns"]["peak_hours"] == found["activity_patterns"]["peak_days"] == []
    assert found["activity_patterns"]["session_length"] is None
    assert (found["engagement_score"], found["preferences"]["actions"]) == (0, {})
    assert [risk["name"] for risk in found["risk_factors"]] == ["inactive_days"]
    assert found["risk_factors"][0]["value"] == pytest.approx(120)


async def test_the_persona_that_is_said_and_the_one_that_is_found(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put, enrich: Enrich
) -> None:
    run = await store_personas(store, NOW - timedelta(hours=7))
    persona = run.clusters[run.personas[0]].persona
    await put([enrich("click", run.users[0], NOW - timedelta(hours=1))])
    await store_profiles(store, {run.users[0]: lived([Did("click", ms(NOW - timedelta(hours=1)))])})
    found = await ask(client, bearer, run.users[0])
    assert (found["persona_suggestions"], found["profile"]["primary_persona"]) == ([persona], persona)
    await store.command(
        "INSERT INTO person_properties (project, distinct_id, property, register, value, rank) "
        "VALUES ('shop', {user:String}, 'persona', 'set', '\"vip\"', 1)",
        {"user": run.users[0]},
    )
    found = await ask(client, bearer, run.users[0])
    assert (found["persona_suggestions"], found["profile"]["primary_persona"]) == (["vip", persona], "vip")


def test_peaks() -> None:
    assert peaks([0, 3, 6, 1, 5, 4], 3) == [2, 4, 5]
    assert peaks([0, 3, 6, 1, 2], 3) == [1, 2]
    assert peaks([2, 2, 2, 2], 2) == [0, 1]
    assert peaks([0, 0], 2) == peaks([], 2) == []


async def test_what_cannot_be_asked(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, refused: REFUSED
) -> None:
    await put([enrich("$pageview", "user-9", NOW - timedelta(hours=1), project="other")])
    for unknown in ("user-9", "user-0' OR 1=1 --", 9007199254740991):
        response = await client.post(PATH, json={"user_id": unknown}, headers=bearer("read"))
        refused(response, 404, "UNKNOWN_USER")
    for wrong in (
        {},
        {"user_id": ""},
        {"user_id": "u", "days": 0},
        {"user_id": "u", "days": 367},
        {"user_id": -1},
    ):
        refused(await client.post(PATH, json=wrong, headers=bearer("read")), 422, "VALIDATION_ERROR")
    refused(
        await client.post(PATH, json={"user_id": "u"}, headers=bearer("ingest")), 403, "INSUFFICIENT_SCOPE"
    )
