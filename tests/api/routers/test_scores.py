"""Predictions of users over HTTP: those of the newest profiles, by person; how many come to an event."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from loopin_api.envelope import iso_ms
from loopin_api.predictions import attendance
from loopin_api.predictions.attendance import MANY
from loopin_schemas.behaviour import Rsvp
from loopin_schemas.profile import Profile, Score
from loopin_sinks.rows import to_arrow
from loopin_sinks.store import Store
from loopin_streams.learning.features import CONTRASTS
from loopin_streams.learning.head_count import HeadCount, head_count
from loopin_streams.projects.project import Project, Projects
from tests.api.conftest import NOW, TOPIC_ID
from tests.api.scores_stored import scored
from tests.sinks.personas.stored_events import link
from tests.sinks.persons.lived import store_profiles

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Enrich, Put

PATH = "/api/analytics/predictions"
SEEN = datetime(2026, 1, 12, 9, tzinfo=UTC)
AT = round(SEEN.timestamp() * 1000)
CHANCES = [0.3, 0.5, 0.9, 0.25]
"""Of those who have joined the party."""


def of(churn: float, conversion: float = 0.1, version: int = 3, at: int = AT) -> dict[str, Score]:
    return {
        "churn": Score(churn, at, version, (2, -1, 5) if version else ()),
        "conversion": Score(conversion, at, 0),
    }


@pytest_asyncio.fixture
async def filled(store: Store) -> None:
    before = {"17": scored(SEEN, of(0.99)), "leaver": scored(SEEN, of(0.5))}
    await store_profiles(store, before)
    # A newer state of the same users counts.
    users = {"17": scored(SEEN, of(0.2, 0.8)), "leaver": scored(SEEN, of(0.95))}
    users |= {"ruled": scored(SEEN, of(0.75, version=0)), "gone": scored(SEEN)}
    # Two distinct_ids of one person: that seen last tells.
    users["app"] = scored(SEEN - timedelta(days=3), of(0.97))
    users["web"] = scored(SEEN, of(0.4))
    await store_profiles(store, users, revision=2)
    await link(store, [("app", "both"), ("web", "both")])
    await store_profiles(store, {"stranger": scored(SEEN, of(0.9))}, "other")


@pytest_asyncio.fixture
async def joined(store: Store) -> None:
    users = {
        f"guest-{n}": scored(
            SEEN, rsvps=[Rsvp("party", AT + n, b"", chance, version=n % 2), Rsvp("walk", AT, b"", 0.5)]
        )
        for n, chance in enumerate(CHANCES)
    }
    await store_profiles(store, users)


async def get(client: httpx.AsyncClient, bearer: Bearer, **asked: Any) -> Any:
    response = await client.get(PATH, params=asked, headers=bearer("read"))
    assert response.status_code == 200, response.text
    return response.json()["data"]


@pytest.mark.usefixtures("filled")
async def test_the_likeliest_to_leave_are_first(client: httpx.AsyncClient, bearer: Bearer) -> None:
    found = await get(client, bearer, kind="churn")
    assert (found["scored"], found["high"], found["horizon_days"]) == (4, 2, 30)
    told = [(user["user_id"], user["score"]) for user in found["users"]]
    assert told == [("leaver", 0.95), ("ruled", 0.75), ("both", 0.4), (17, 0.2)]
    assert [user["method"] for user in found["users"]] == ["model", "heuristic", "model", "model"]
    assert [user["model_version"] for user in found["users"]] == [3, None, 3, 3]
    first, second, *_ = found["users"]
    assert first["reasons"] == [
        {"feature": CONTRASTS[2].name, "about": CONTRASTS[2].about, "effect": "raises"},
        {"feature": CONTRASTS[0].name, "about": CONTRASTS[0].about, "effect": "lowers"},
        {"feature": CONTRASTS[5].name, "about": CONTRASTS[5].about, "effect": "raises"},
    ]
    assert second["reasons"] == []
    assert first["calculated_at"] == first["last_seen"] == iso_ms(SEEN)


@pytest.mark.usefixtures("filled")
async def test_page_by_page_it_is_the_same_list(client: httpx.AsyncClient, bearer: Bearer) -> None:
    whole = (await get(client, bearer, kind="conversion"))["users"]
    assert [user["user_id"] for user in whole] == [17, "both", "leaver", "ruled"]
    pages = [await get(client, bearer, kind="conversion", limit=3, offset=offset) for offset in (0, 3, 6)]
    assert [user for page in pages for user in page["users"]] == whole
    assert [(page["scored"], page["high"]) for page in pages] == [(4, 1)] * 3


@pytest.mark.usefixtures("joined")
async def test_how_many_come_is_as_all_who_may_come_say(client: httpx.AsyncClient, bearer: Bearer) -> None:
    found = await get(client, bearer, kind="attendance", event_id="party", limit=3, offset=1)
    assert (found["event_id"], found["joined"]) == ("party", 4)
    assert found["expected"] == pytest.approx(sum(CHANCES), abs=0.005)
    # Every way in which they may come or not, by its probability.
    shares = [0.0] * 5
    for came in product((0, 1), repeat=4):
        odds = prod(chance if one else 1 - chance for one, chance in zip(came, CHANCES, strict=True))
        shares[sum(came)] += odds
    assert sum(shares[found["low_80"] : found["high_80"] + 1]) >= 0.8
    assert sum(shares[: found["low_80"]]) <= 0.1
    assert sum(shares[found["high_80"] + 1 :]) <= 0.1
    told = [(one["user_id"], one["score"], one["method"]) for one in found["participants"]]
    assert told == [("guest-1", 0.5, "model"), ("guest-2", 0.9, "heuristic"), ("guest-3", 0.25, "model")]


async def test_who_came_is_counted_and_each_person_once(
    client: httpx.AsyncClient, bearer: Bearer, store: Store
) -> None:
    def joined(at: int, chance: float, *, came: bool = False, seen: int = 0) -> Profile:
        return scored(SEEN + timedelta(hours=seen), rsvps=[Rsvp("party", at, b"", chance, came, 1)])

    users = {"there": joined(AT, 0.7, came=True), "maybe": joined(AT + 1, 0.25)}
    # One person on two devices, who came with that which was seen first; and one who may come.
    users |= {"app": joined(AT + 2, 0.4, came=True), "web": joined(AT + 3, 0.3, seen=2)}
    users |= {"old": joined(AT + 4, 0.9), "new": joined(AT + 5, 0.5, seen=1)}
    await store_profiles(store, users)
    await link(store, [("app", "both"), ("web", "both"), ("old", "new")])
    found = await get(client, bearer, kind="attendance", event_id="party")
    told = [(one["user_id"], one["score"]) for one in found["participants"]]
    assert told == [("there", 1.0), ("maybe", 0.25), ("both", 1.0), ("new", 0.5)]
    assert found["joined"] == 4
    assert found["expected"] == pytest.approx(2.75)
    # Two have come, and nobody can take that back.
    assert found["low_80"] >= 2


async def test_the_head_count_of_many_is_left_to_a_thread(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted_in = []

    def head_count_noted(chances: Sequence[float]) -> HeadCount:
        counted_in.append((len(chances), threading.get_ident()))
        return head_count(chances)

    monkeypatch.setattr(attendance, "head_count", head_count_noted)
    users = {f"guest-{n}": scored(SEEN, rsvps=[Rsvp("fair", AT + n, b"", 0.5)]) for n in range(MANY)}
    await store_profiles(store, users)
    found = await get(client, bearer, kind="attendance", event_id="fair", limit=2, offset=3)
    assert (found["joined"], found["expected"]) == (MANY, MANY / 2)
    assert [one["user_id"] for one in found["participants"]] == ["guest-3", "guest-4"]
    [(number, thread)] = counted_in
    assert number == MANY
    assert thread != threading.get_ident()


async def test_of_nobody_nothing_is_said(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    await put([enrich("event_viewed", "17", SEEN, {"event_id": "party"})])
    for kind in ("churn", "conversion"):
        found = await get(client, bearer, kind=kind)
        assert (found["scored"], found["high"], found["users"]) == (0, 0, [])
    found = await get(client, bearer, kind="attendance", event_id="party")
    assert (found["joined"], found["expected"], found["low_80"], found["high_80"]) == (0, 0.0, 0, 0)


@pytest.mark.usefixtures("filled")
async def test_where_no_prediction_is_kept_no_head_count_is_told(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    """Of a user's open joins a profile keeps the newest 32: who joined before is not nobody."""
    about = {"event_id": "over"}
    later = SEEN + timedelta(hours=1)
    await put([enrich("event_joined", user, SEEN, about) for user in ("17", "leaver")])
    await put([enrich("event_left", "leaver", later, about)])
    found = await get(client, bearer, kind="attendance", event_id="over")
    assert [found[name] for name in ("joined", "expected", "low_80", "high_80")] == [None] * 4
    assert found["reason"] == attendance.NOT_KEPT
    assert "32 later events" in found["reason"]
    assert found["participants"] == []
    await put([enrich("event_left", "17", later, about)])
    found = await get(client, bearer, kind="attendance", event_id="over")
    assert (found["joined"], found["expected"], found["reason"]) == (0, 0.0, None)


async def test_who_joined_just_now_is_not_counted_yet_nor_is_the_event_over(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, enrich: Enrich
) -> None:
    """The events are stored before the profiles that count them."""
    for stored, reason in ((130, attendance.NOT_KEPT), (110, attendance.NOT_YET)):
        joined = enrich("event_joined", f"guest-{stored}", NOW, {"event_id": "new"})
        stored_at = round((NOW - timedelta(seconds=stored)).timestamp() * 1000)
        rows = to_arrow([joined], 0, [stored], TOPIC_ID, lambda _: 3650, stored_at)
        await store.insert("events", rows, token=joined.uuid)
        found = await get(client, bearer, kind="attendance", event_id="new")
        assert [found[name] for name in ("joined", "expected", "low_80", "high_80")] == [None] * 4
        assert found["reason"] == reason
    await store_profiles(store, {"guest-110": scored(SEEN, rsvps=[Rsvp("new", AT, b"", 0.5)])})
    found = await get(client, bearer, kind="attendance", event_id="new")
    assert (found["joined"], found["expected"], found["reason"]) == (2, 1.0, None)


async def test_bots_and_the_projects_own_people_are_no_participants(
    client: httpx.AsyncClient, bearer: Bearer, app: FastAPI, store: Store, put: Put, enrich: Enrich
) -> None:
    """An id that is not listed itself has an RSVP all the same: the stream knows listed ids only."""
    use = app.state.services
    shop = Project(internal=frozenset({"colleague"}))
    app.state.services = replace(use, projects=Projects(lambda _: shop))
    await link(store, [("colleague-phone", "colleague")])
    about = {"event_id": "staff"}
    joins = [enrich("event_joined", user, SEEN, about) for user in ("colleague", "colleague-phone")]
    await put([*joins, enrich("event_joined", "crawler", SEEN, {**about, "$is_bot": True})])
    rsvp = Rsvp("staff", AT, b"", 0.5)
    await store_profiles(store, {"colleague-phone": scored(SEEN, rsvps=[rsvp])})
    found = await get(client, bearer, kind="attendance", event_id="staff")
    assert [found[name] for name in ("joined", "expected", "low_80", "high_80")] == [0] * 4
    assert found["reason"] is None


async def test_a_platform_event_that_nothing_names_is_unknown(
    client: httpx.AsyncClient,
    bearer: Bearer,
    refused: Callable[[httpx.Response, int, str], dict[str, Any]],
    put: Put,
    enrich: Enrich,
) -> None:
    await put([enrich("event_viewed", "17", SEEN, {"event_id": "party"}, project="other")])
    asked = {"kind": "attendance", "event_id": "party"}
    refused(await client.get(PATH, params=asked, headers=bearer("read")), 404, "UNKNOWN_EVENT")


async def test_of_attendance_the_event_has_to_be_named(
    client: httpx.AsyncClient, bearer: Bearer, refused: Callable[[httpx.Response, int, str], dict[str, Any]]
) -> None:
    response = await client.get(PATH, params={"kind": "attendance"}, headers=bearer("read"))
    refusal = refused(response, 422, "VALIDATION_ERROR")
    assert refusal["details"] == [{"field": "event_id", "reason": "Say of which platform event."}]
