"""Head counts over HTTP: of cancelled platform events, and of persons of several ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from loopin_api.predictions import attendance
from loopin_schemas.behaviour import Rsvp
from loopin_sinks.store import Store
from tests.api.scores_stored import scored
from tests.sinks.personas.stored_events import link
from tests.sinks.persons.lived import store_profiles

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Enrich, Put

SEEN = datetime(2026, 1, 12, 9, tzinfo=UTC)
AT = round(SEEN.timestamp() * 1000)
PARTY = {"event_id": "party"}
NUMBERS = ("joined", "expected", "low_80", "high_80")


def later(hours: float) -> datetime:
    return SEEN + timedelta(hours=hours)


async def head_count(client: httpx.AsyncClient, bearer: Bearer) -> Any:
    response = await client.get(
        "/api/analytics/predictions",
        params={"kind": "attendance", "event_id": "party"},
        headers=bearer("read"),
    )
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def join(store: Store, *users: str) -> None:
    profiles = {user: scored(SEEN, rsvps=[Rsvp("party", AT + n, b"", 0.7)]) for n, user in enumerate(users)}
    await store_profiles(store, profiles)


@pytest.mark.parametrize(
    ("states", "cancelled"),
    [
        ({"event_created": 0, "event_published": 1, "event_cancelled": 2}, True),
        ({"event_cancelled": 0}, True),
        ({"event_published": 1, "event_cancelled": 1}, True),
        ({"event_cancelled": 1, "event_published": 2}, False),
        ({"event_cancelled": 1, "event_viewed": 2}, True),
        ({"event_published": 1, "event_viewed": 2}, False),
    ],
)
@pytest.mark.parametrize("guests", [(), ("ann", "bob")])
async def test_nobody_is_expected_at_what_is_called_off(
    client: httpx.AsyncClient,
    bearer: Bearer,
    put: Put,
    enrich: Enrich,
    store: Store,
    states: dict[str, int],
    cancelled: bool,
    guests: tuple[str, ...],
) -> None:
    await join(store, *guests)
    told = [enrich(event, "host", later(hours), PARTY) for event, hours in states.items()]
    # Of another platform event, and of one of the same id in another project.
    told.append(enrich("event_cancelled", "host", later(9), {"event_id": "walk"}))
    told.append(enrich("event_cancelled", "host", later(9), PARTY, project="other"))
    await put(told)
    found = await head_count(client, bearer)
    if cancelled:
        assert [found[name] for name in NUMBERS] == [None] * 4
        assert found["reason"] == attendance.CANCELLED
        assert found["participants"] == []
    else:
        assert (found["joined"], found["reason"]) == (len(guests), None)
        assert found["expected"] == pytest.approx(0.7 * len(guests))


async def test_who_has_signed_in_since_joining_comes_and_leaves_all_the_same(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, store: Store
) -> None:
    await join(store, "anon-q", "anon-z", "anon-y")
    await link(store, [("anon-q", "q"), ("anon-z", "z"), ("anon-y", "y")])
    await put(
        [
            *(enrich("event_joined", user, SEEN, PARTY) for user in ("anon-q", "anon-z", "anon-y")),
            enrich("event_attended", "q", later(1), PARTY),
            enrich("event_left", "z", later(1), PARTY),
            enrich("event_attended", "y", later(1), {"event_id": "walk"}),
        ]
    )
    found = await head_count(client, bearer)
    assert [(one["user_id"], one["score"]) for one in found["participants"]] == [("q", 1.0), ("y", 0.7)]
    assert (found["joined"], found["expected"]) == (2, 1.7)


async def test_where_all_have_left_with_another_id_nobody_has_joined(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, store: Store
) -> None:
    await join(store, "anon-z")
    await link(store, [("anon-z", "z")])
    joined, left = enrich("event_joined", "anon-z", SEEN, PARTY), enrich("event_left", "z", later(1), PARTY)
    await put([joined, left])
    found = await head_count(client, bearer)
    assert (found["joined"], found["expected"], found["reason"]) == (0, 0.0, None)
