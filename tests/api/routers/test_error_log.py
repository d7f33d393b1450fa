"""Errors over HTTP are those that were reported, as put right since; their groups are counted one by one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_schemas import EnrichedEvent
from loopin_schemas.codec import decode_object
from loopin_sinks.store import Store
from tests.api.config_in_memory import Log
from tests.api.enriched import enriched
from tests.metrics.stored import store_persons
from tests.metrics.worlds import world

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
ERRORS = "/api/errors"
GROUPS = "/api/errors/groups"
LEVELS = ("critical", "error", "warning", "info", "debug")
PERSONS = {"user-1": "user-0", "user-2": "user-0"}


class Clock:
    """The time now, which tests move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker, log: Log, clock: Clock) -> FastAPI:
    return create_app(settings, store, broker, config=log, writer=log, clock=clock)


async def ask(client: httpx.AsyncClient, bearer: Bearer, path: str) -> dict[str, Any]:
    response = await client.get(path, headers=bearer("read"))
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def write(client: httpx.AsyncClient, bearer: Bearer, how: str, path: str, body: Any = None) -> Any:
    response = await client.request(how, path, json=body, headers=bearer("write", sub="ops"))
    assert response.status_code == (204 if how == "DELETE" else 200), response.text
    return None if how == "DELETE" else response.json()


def errors(enrich: Enrich, number: int = 120, seed: int = 5) -> list[EnrichedEvent]:
    """Errors of some groups over 50 days, more of late, and what is none of them."""
    dice = Random(seed)
    found = []
    for n in range(number):
        at = NOW - timedelta(days=dice.choice([dice.uniform(0, 50), dice.uniform(0, 2)]), milliseconds=1)
        user = dice.choice(["system", "system", *(f"user-{k}" for k in range(6))])
        about = {
            "level": dice.choice(LEVELS),
            "message": f"message {n}",
            "$exception_fingerprint": dice.choice(["a", "b", "b", "c d/e"]),
            "extra_data": {"n": n},
        }
        found.append(enrich("error_logged", user, at, about))
    about = {"level": "error", "message": "m", "$exception_fingerprint": "a"}
    return [
        *found,
        enrich("error_logged", "user-1", NOW - timedelta(days=1), about, project="other"),
        enrich("click", "user-1", NOW - timedelta(days=1), about),
    ]


def ours(events: Sequence[EnrichedEvent], days: int | None = 30) -> list[EnrichedEvent]:
    """The project's errors of the last days, the latest first."""
    since = 0 if days is None else (NOW - timedelta(days=days)).timestamp() * 1000
    mine = [e for e in events if e.project == "shop" and e.event == "error_logged" and e.timestamp >= since]
    return sorted(mine, key=lambda event: (-event.timestamp, event.uuid))


def said(event: EnrichedEvent, name: str) -> Any:
    return decode_object(event.properties)[name]


async def test_what_is_posted_is_read_again(
    client: httpx.AsyncClient, bearer: Bearer, broker: Broker, put: Put, clock: Clock
) -> None:
    body = {
        "level": "critical",
        "message": "KeyError: 'coffee'",
        "stack_trace": "Traceback (most recent call last):\n  File \"/a/b.py\", line 3, in c\nKeyError: 'x'",
        "url": "https://shop.example/pay",
        "method": "POST",
        "user_agent": "curl/8",
        "user": 42,
        "extra_data": {"cart": [1, 2]},
        "release": "1.2",
    }
    made = await client.post(ERRORS, json=body, headers=bearer("ingest"))
    nobodys = await client.post(ERRORS, json={"level": "info", "message": "m"}, headers=bearer("ingest"))
    await put(enriched(broker))
    clock.now = datetime.now(UTC) + timedelta(seconds=1)
    kept = {**made.json(), "extra_data": {"cart": [1, 2], "release": "1.2"}}
    assert await ask(client, bearer, f"{ERRORS}/{kept['id'].upper()}/") == kept
    assert (kept["user"], kept["is_resolved"], kept["corrected_fields"]) == ("42", False, [])
    listed = await ask(client, bearer, f"{ERRORS}/?ordering=created_at")
    assert listed == {"count": 2, "next": None, "previous": None, "results": [kept, nobodys.json()]}
    (group,) = (await ask(client, bearer, f"{GROUPS}?level=critical"))["results"]
    assert (group["fingerprint"], group["type"]) == (kept["fingerprint"], "KeyError")


async def test_exceptions_of_posthogs_sdks_are_errors(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    frames = [{"filename": "app/cart.js", "function": "total", "lineno": 7}]
    told = [{"type": "TypeError", "value": "of undefined", "stacktrace": {"type": "raw", "frames": frames}}]
    about = {"$exception_list": told, "$exception_level": "fatal", "$os": "iOS", "cart": 3}
    at = NOW - timedelta(minutes=1)
    await put([enrich("$exception", "user-1", at, {**about, "$exception_fingerprint": "f"})])
    (row,) = (await ask(client, bearer, ERRORS))["results"]
    assert (row["level"], row["user"], row["fingerprint"]) == ("critical", "user-1", "f")
    assert row["message"] == "TypeError: of undefined"
    assert row["stack_trace"] == "TypeError: of undefined\n    at total (app/cart.js)"
    assert row["extra_data"] == {"cart": 3}
    assert (await ask(client, bearer, f"{GROUPS}/f"))["type"] == "TypeError"


@pytest.mark.parametrize("days", [30, 3])
async def test_lists(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, store: Store, days: int
) -> None:
    stored = errors(enrich)
    await put(stored)
    await store_persons(store, world(4))
    span = f"from={quote((NOW - timedelta(days=days)).isoformat())}"
    mine = ours(stored, days)
    found = await ask(client, bearer, f"{ERRORS}?{span}&page_size=7&page=2")
    assert found["count"] == len(mine) > 14
    assert [row["id"] for row in found["results"]] == [event.uuid for event in mine[7:14]]
    assert found["next"].endswith("page=3")
    assert (await ask(client, bearer, found["next"]))["previous"].endswith("page=2")
    filters: list[tuple[str, Callable[[EnrichedEvent], bool]]] = [
        ("level=error", lambda event: said(event, "level") == "error"),
        ("user=user-3", lambda event: event.distinct_id == "user-3"),
        ("user=user-1", lambda event: event.distinct_id in ("user-0", *PERSONS)),
        ("fingerprint=b", lambda event: said(event, "$exception_fingerprint") == "b"),
        ("is_resolved=false", lambda event: True),
        ("is_resolved=true", lambda event: False),
    ]
    for query, test in filters:
        found = await ask(client, bearer, f"{ERRORS}?{span}&{query}&page_size=100")
        assert [row["id"] for row in found["results"]] == [e.uuid for e in mine if test(e)], query


def grouped(events: Sequence[EnrichedEvent], days: int, level: str | None = None) -> dict[str, Any]:
    """The groups once more."""
    of: dict[str, list[EnrichedEvent]] = defaultdict(list)
    for event in ours(events, None):
        of[said(event, "$exception_fingerprint")].append(event)
    found = {}
    for fingerprint, all in of.items():
        within = [e for e in ours(all, days) if level in (None, said(e, "level"))]
        levels = Counter(said(event, "level") for event in within)
        people = {PERSONS.get(e.distinct_id, e.distinct_id) for e in within} - {"system"}
        if within:
            found[fingerprint] = {
                "message": said(all[0], "message"),
                "level": next(each for each in LEVELS if levels[each]),
                "levels": {each: levels[each] for each in LEVELS},
                "count": len(within),
                "users": len(people),
                "first_seen": min(event.timestamp for event in all),
                "last_seen": max(event.timestamp for event in all),
                "latest_id": all[0].uuid,
            }
    return found


@pytest.mark.parametrize(("days", "level"), [(30, None), (1, None), (30, "debug")])
async def test_groups(
    client: httpx.AsyncClient,
    bearer: Bearer,
    put: Put,
    enrich: Enrich,
    store: Store,
    days: int,
    level: str | None,
) -> None:
    stored = errors(enrich)
    await put(stored)
    await store_persons(store, world(4))
    span = f"from={quote((NOW - timedelta(days=days)).isoformat())}{f'&level={level}' if level else ''}"
    found = await ask(client, bearer, f"{GROUPS}?{span}&ordering=-count")
    expected = grouped(stored, days, level)
    assert found["count"] == len(expected) == 3
    counts = [row["count"] for row in found["results"]]
    assert counts == sorted(counts, reverse=True)
    for row in found["results"]:
        told = {**row, **{name: _ms(row[name]) for name in ("first_seen", "last_seen")}}
        assert {name: told[name] for name in expected[row["fingerprint"]]} == expected[row["fingerprint"]]
        assert (row["status"], row["is_resolved"], row["resolved_at"]) == ("open", False, None)
    latest = await ask(client, bearer, f"{GROUPS}?{span}&page_size=2")
    by_time = sorted(expected, key=lambda each: expected[each]["last_seen"], reverse=True)
    assert [row["fingerprint"] for row in latest["results"]] == by_time[:2]
    assert latest["count"] == 3


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


async def test_a_group_is_resolved_comes_back_and_is_opened_again(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, clock: Clock
) -> None:
    def error(minutes: int, of: str) -> EnrichedEvent:
        about = {"level": "error", "message": "m", "$exception_fingerprint": of}
        return enrich("error_logged", "system", NOW + timedelta(minutes=minutes), about)

    before, after, other = error(-5, "c d/e"), error(5, "c d/e"), error(-5, "b")
    await put([before, other])
    path = f"{GROUPS}/{quote('c d/e', safe='')}/"
    resolved = await write(client, bearer, "PATCH", path, {"is_resolved": True, "note": "Fixed in 1.3."})
    assert (resolved["status"], resolved["is_resolved"], resolved["resolved_by"]) == ("resolved", True, "ops")
    assert (_ms(resolved["resolved_at"]), resolved["note"]) == (NOW.timestamp() * 1000, "Fixed in 1.3.")
    shown = await ask(client, bearer, f"{ERRORS}/{before.uuid}")
    assert (shown["is_resolved"], shown["resolved_at"]) == (True, resolved["resolved_at"])
    assert shown["corrected_fields"] == []

    await put([after])
    clock.now = NOW + timedelta(minutes=10)
    back = await ask(client, bearer, path)
    assert (back["status"], back["is_resolved"], back["count"]) == ("regressed", False, 2)
    assert back["resolved_at"] == resolved["resolved_at"]
    listed = await ask(client, bearer, f"{ERRORS}?is_resolved=true")
    assert [row["id"] for row in listed["results"]] == [before.uuid]
    for status, expected in (("regressed", ["c d/e"]), ("open", ["b"]), ("resolved", [])):
        found = await ask(client, bearer, f"{GROUPS}?status={status}")
        assert [row["fingerprint"] for row in found["results"]] == expected, status

    again = await write(client, bearer, "PATCH", path, {"is_resolved": True})
    assert (again["status"], _ms(again["resolved_at"])) == ("resolved", clock.now.timestamp() * 1000)
    opened = await write(client, bearer, "PATCH", path, {"is_resolved": False})
    assert (opened["status"], opened["resolved_at"], opened["resolved_by"]) == ("open", None, None)
    assert (await ask(client, bearer, f"{ERRORS}?is_resolved=true"))["count"] == 0


async def test_an_error_is_put_right(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, clock: Clock, refused: Refused
) -> None:
    def error(minute: int, **about: Any) -> EnrichedEvent:
        told = {"level": "error", "message": "m", "$exception_fingerprint": "f", **about}
        return enrich("error_logged", "user-1", NOW - timedelta(minutes=minute), told)

    first, second = error(1, url="https://a.example/"), error(2)
    await put([first, second])
    path = f"{ERRORS}/{first.uuid}"
    reported = await ask(client, bearer, path)
    resolved = await write(client, bearer, "PATCH", path, {"is_resolved": True})
    assert _ms(resolved["resolved_at"]) == NOW.timestamp() * 1000
    clock.now = NOW + timedelta(hours=1)
    changed = await write(client, bearer, "PATCH", path, {"level": "warning", "url": None, "user": 7})
    expected = {**resolved, "level": "warning", "url": None, "user": "7"}
    expected["corrected_fields"] = ["is_resolved", "level", "url", "user"]
    assert changed == expected == await ask(client, bearer, path)
    for query, ids in (
        ("level=warning", [first.uuid]),
        ("level=error", [second.uuid]),
        ("is_resolved=true", [first.uuid]),
        ("user=7", [first.uuid]),
        ("user=user-1", [second.uuid]),
    ):
        found = await ask(client, bearer, f"{ERRORS}?{query}")
        assert ([row["id"] for row in found["results"]], found["count"]) == (ids, 1), query
    (group,) = (await ask(client, bearer, GROUPS))["results"]
    assert (group["levels"]["warning"], group["levels"]["error"]) == (1, 1)

    only = await write(client, bearer, "PUT", path, {"message": "n"})
    assert only == {**reported, "message": "n", "corrected_fields": ["message"]}
    assert await write(client, bearer, "PUT", path, reported) == reported, (
        "sent back whole, it is as reported"
    )
    for field in ("id", "created_at", "fingerprint"):
        answer = await client.patch(path, json={**reported, field: "x"}, headers=bearer("write"))
        assert [each["field"] for each in refused(answer, 422, "VALIDATION_ERROR")["details"]] == [field]
    await write(client, bearer, "DELETE", path)
    refused(await client.get(path, headers=bearer("read")), 404, "UNKNOWN_ROW")
    refused(await client.patch(path, json={}, headers=bearer("write")), 404, "UNKNOWN_ROW")
    refused(await client.delete(path, headers=bearer("write")), 404, "UNKNOWN_ROW")
    assert [row["id"] for row in (await ask(client, bearer, ERRORS))["results"]] == [second.uuid]
    assert (await ask(client, bearer, f"{GROUPS}/f"))["count"] == 1
    # Days are of the events, as the description says.
    assert (await ask(client, bearer, f"/api/daily/{NOW.date()}"))["error_count"] == 2
    described = (await client.get("/openapi.json")).json()["paths"]["/api/errors/{id}"]["delete"][
        "description"
    ]
    assert "group no longer counts it" in described
    assert "metrics of days and minutes, which are of the events, still do" in described


async def test_whose_errors(client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich) -> None:
    about = {"level": "error", "message": "m", "$exception_fingerprint": "f"}
    theirs = enrich("error_logged", "system", NOW - timedelta(hours=1), about, project="other")
    await put([theirs])
    for path in (f"{ERRORS}/{theirs.uuid}", f"{GROUPS}/f"):
        assert (await client.get(path, headers=bearer("read"))).status_code == 404
        body = {"is_resolved": True}
        assert (await client.patch(path, json=body, headers=bearer("write"))).status_code == 404
    assert (await ask(client, bearer, ERRORS))["count"] == (await ask(client, bearer, GROUPS))["count"] == 0


@pytest.mark.parametrize(
    ("how", "path", "body", "field"),
    [
        ("GET", f"{ERRORS}?ordering=message", None, "ordering"),
        ("GET", f"{ERRORS}?days=0", None, "days"),
        ("GET", f"{ERRORS}?level=bad", None, "level"),
        ("GET", f"{GROUPS}?status=done", None, "status"),
        ("PATCH", f"{ERRORS}/x", {"is_resolved": "yes"}, "is_resolved"),
        ("PATCH", f"{ERRORS}/x", {"levle": "error"}, "levle"),
        ("PUT", f"{ERRORS}/x", {"message": ""}, "message"),
        ("PATCH", f"{ERRORS}/x", {"message": "a\0b"}, "message"),
        ("PATCH", f"{ERRORS}/x", {"extra_data": {"a": ["\0"]}}, "extra_data"),
        ("PATCH", f"{GROUPS}/x", {}, "is_resolved"),
        ("PATCH", f"{GROUPS}/x", {"is_resolved": True, "note": "\0"}, "note"),
    ],
)
async def test_what_cannot_be_asked(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, how: str, path: str, body: Any, field: str
) -> None:
    answer = await client.request(how, path, json=body, headers=bearer("read", "write"))
    assert [each["field"] for each in refused(answer, 422, "VALIDATION_ERROR")["details"]] == [field]
    refused(await client.request(how, path, json=body, headers=bearer("ingest")), 403, "INSUFFICIENT_SCOPE")


async def test_while_the_broker_is_away_nothing_is_put_right(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, log: Log, refused: Refused
) -> None:
    about = {"level": "error", "message": "m", "$exception_fingerprint": "f"}
    one = enrich("error_logged", "system", NOW - timedelta(hours=1), about)
    await put([one])
    log.down = True
    for path in (f"{ERRORS}/{one.uuid}", f"{GROUPS}/f"):
        answer = await client.patch(path, json={"is_resolved": True}, headers=bearer("write"))
        refused(answer, 503, "NOT_CONFIGURED")
    assert (await ask(client, bearer, f"{ERRORS}/{one.uuid}"))["is_resolved"] is False
