"""Head counts over HTTP: of cancelled platform events, and of persons of several ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from loopin_api.envelope import iso_ms
from loopin_api.predictions import attendance
from loopin_schemas.behaviour import Rsvp
from loopin_sinks.store import Store
from tests.api.conftest import NOW
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


DAY = timedelta(days=1)
MOMENT = timedelta(milliseconds=1)


def starting(at: datetime | None) -> dict[str, Any]:
    return PARTY if at is None else {**PARTY, "starts_at": iso_ms(at)}


def guests(number: int) -> list[str]:
    return [f"guest-{n}" for n in range(number)]


@pytest.mark.parametrize("by_host", [False, True], ids=["the joins name it", "the host names it"])
@pytest.mark.parametrize(("ago", "over"), [(timedelta(hours=2), False), (DAY, False), (DAY + MOMENT, True)])
async def test_who_joined_stays_counted_until_the_day_after_the_start(
    client: httpx.AsyncClient,
    bearer: Bearer,
    put: Put,
    enrich: Enrich,
    store: Store,
    by_host: bool,
    ago: timedelta,
    over: bool,
) -> None:
    """Some RSVPs have left the profiles, others wait there for their user's next turn."""
    everybody = guests(10)
    await join(store, *everybody[4:])
    start = NOW - ago
    joined = [enrich("event_joined", one, SEEN, starting(None if by_host else start)) for one in everybody]
    told = [enrich("event_created", "host", SEEN - DAY, starting(start))] if by_host else []
    await put(
        [*told, *joined, *(enrich("event_attended", one, start + MOMENT, PARTY) for one in everybody[:5])]
    )
    found = await head_count(client, bearer)
    if over:
        assert [found[name] for name in NUMBERS] == [None] * 4
        assert (found["reason"], found["participants"]) == (attendance.OVER, [])
        return
    # Five have come and five come with 0.7 each: binomial, 2 to 4 of the five hold 80 % best.
    assert (found["joined"], found["expected"], found["reason"]) == (10, 8.5, None)
    assert found["low_80"] >= 5
    assert [one["score"] for one in found["participants"]] == [1.0] * 5 + [0.7] * 5


@pytest.mark.parametrize(
    ("said", "joins", "reason"),
    [
        # The host's newest word counts, whatever joins say: postponed, brought forward.
        ({-9: -5, -4: 3}, [-5, -5], None),
        ({-9: 3, -4: -1.5}, [3, 3], attendance.OVER),
        # A start that cannot be meant is none: of 1970, of the far future.
        ({-9: -20_000}, [], None),
        ({-9: -20_000, -8: -2}, [], attendance.OVER),
        ({}, [-2, -2, 3], attendance.OVER),
        ({}, [-2, 3, 3], None),
        ({}, [-2, -2, 900, 900, 900], attendance.OVER),
        ({}, [-20_000, -20_000, -20_000, 3], None),
    ],
)
async def test_when_it_starts_is_as_the_host_says_or_else_as_most_joins_do(
    client: httpx.AsyncClient,
    bearer: Bearer,
    put: Put,
    enrich: Enrich,
    store: Store,
    said: dict[float, float],
    joins: list[float],
    reason: str | None,
) -> None:
    """Days from now, when it was said and what it was; joins of three days ago."""
    await join(store, *guests(max(len(joins), 1)))
    told = [
        *(
            enrich("event_created", "host", NOW + at * DAY, starting(NOW + day * DAY))
            for at, day in said.items()
        ),
        *(
            enrich("event_joined", one, SEEN, starting(NOW + day * DAY))
            for one, day in zip(guests(len(joins)), joins, strict=True)
        ),
    ]
    await put(told)
    found = await head_count(client, bearer)
    assert found["reason"] == reason
    assert found["joined"] == (None if reason else max(len(joins), 1))


@pytest.mark.parametrize(("ago", "reason"), [(25 * DAY, None), (25 * DAY + MOMENT, attendance.OLD)])
async def test_of_an_event_without_a_start_the_newest_join_tells_whether_it_is_over(
    client: httpx.AsyncClient,
    bearer: Bearer,
    put: Put,
    enrich: Enrich,
    store: Store,
    ago: timedelta,
    reason: str | None,
) -> None:
    at = round((NOW - ago).timestamp() * 1000)
    await store_profiles(store, {"ann": scored(SEEN, rsvps=[Rsvp("party", at, b"", 0.5)])})
    joined = [
        enrich("event_joined", "ann", NOW - ago, PARTY),
        enrich("event_joined", "bob", NOW - 40 * DAY, PARTY),
    ]
    await put(joined)
    found = await head_count(client, bearer)
    assert (found["joined"], found["expected"], found["reason"]) == (
        (None, None, reason) if reason else (2, 1.0, None)
    )


async def test_a_join_that_arrives_after_what_followed_it_changes_nothing(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, store: Store
) -> None:
    """The stream makes an RSVP of it, of users with one id, too; what they did last by its time counts."""
    users = ("left", "came", "back", "stays")
    await join(store, *users)
    followed = [
        enrich("event_left", "left", later(1), PARTY),
        enrich("event_attended", "came", later(1), PARTY),
        enrich("event_left", "back", later(1), PARTY),
        enrich("event_joined", "back", later(2), PARTY),
    ]
    await put(
        [*followed, *(enrich("event_joined", user, SEEN, PARTY, received_at=AT + 9**9) for user in users)]
    )
    found = await head_count(client, bearer)
    told = {one["user_id"]: one["score"] for one in found["participants"]}
    assert told == {"came": 1.0, "back": 0.7, "stays": 0.7}
    assert (found["joined"], found["expected"]) == (3, 2.4)
