"""Silences over HTTP: made, listed by state, ended; and the same for whoever judges alerts."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_api.silences import MAX_SILENCES
from loopin_schemas.alert_rule import Silence
from loopin_sinks.store import Store
from loopin_streams.alerts.rules import Rules
from tests.api.config_in_memory import Log

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]

BEGIN = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
PATH = "/api/analytics/silences"
RATE = "payment_failure_rate"


class Clock:
    now = BEGIN

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(settings: ApiSettings, untouched_store: Store, broker: Broker, log: Log, clock: Clock) -> FastAPI:
    return create_app(settings, untouched_store, broker, config=log, writer=log, clock=clock)


def data_of(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()["data"]


def silenced(log: Log, at: datetime, rule: str = RATE, severity: str = "warning", **about: str) -> bool:
    """What a worker that follows the same records makes of them."""
    rules = Rules(lambda: log.configuration)
    return rules.handling("x", "shop", rule, severity, about, round(at.timestamp() * 1000)).silenced


async def test_a_silence_holds_for_its_time(
    client: httpx.AsyncClient, bearer: Bearer, log: Log, clock: Clock
) -> None:
    body = {"rule": RATE, "duration": "2h", "dimensions": {"country": "IN"}, "comment": "Moving."}
    headers = bearer("read", "write", sub="asha")
    made = data_of(await client.post(PATH, json=body, headers=headers), 201)
    assert {**made, "id": ""} == {
        "id": "",
        "state": "active",
        "rule": RATE,
        "severity": None,
        "dimensions": {"country": "IN"},
        "comment": "Moving.",
        "starts_at": "2026-01-15T10:30:00.000Z",
        "ends_at": "2026-01-15T12:30:00.000Z",
        "changed_by": "asha",
    }
    almost = BEGIN + timedelta(hours=2, milliseconds=-1)
    assert silenced(log, BEGIN, country="IN")
    assert silenced(log, almost, severity="critical", country="IN")
    assert not silenced(log, almost + timedelta(milliseconds=1), country="IN")
    assert not silenced(log, BEGIN, country="FR")
    assert not silenced(log, BEGIN, rule="refund_rate", country="IN")
    for now, state in ((almost, "active"), (almost + timedelta(milliseconds=1), "expired")):
        clock.now = now
        assert data_of(await client.get(PATH, headers=headers)) == [{**made, "state": state}]
    assert data_of(await client.get(f"{PATH}?state=active", headers=headers)) == []


async def test_a_silence_may_begin_later(
    client: httpx.AsyncClient, bearer: Bearer, log: Log, clock: Clock
) -> None:
    headers = bearer("read", "write")
    body = {
        "starts_at": "2026-01-16T00:00:00+05:30",
        "ends_at": "2026-01-16T06:00:00+05:30",
        "severity": "critical",
    }
    made = data_of(await client.post(PATH, json=body, headers=headers), 201)
    assert (made["state"], made["rule"], made["starts_at"]) == ("scheduled", None, "2026-01-15T18:30:00.000Z")
    night = datetime(2026, 1, 15, 20, tzinfo=UTC)
    assert silenced(log, night, severity="critical", rule="anything")
    assert not silenced(log, night, severity="warning")
    assert not silenced(log, BEGIN, severity="critical")
    other = data_of(await client.post(PATH, json={"duration": "30m"}, headers=headers), 201)
    listed = data_of(await client.get(PATH, headers=headers))
    assert [each["id"] for each in listed] == [made["id"], other["id"]]


async def test_ending_one(
    client: httpx.AsyncClient, bearer: Bearer, log: Log, clock: Clock, refused: Refused
) -> None:
    headers = bearer("read", "write", sub="ben")
    made = data_of(await client.post(PATH, json={"duration": "1d"}, headers=headers), 201)
    path = f"{PATH}/{made['id']}"
    refused(await client.delete(path, headers=bearer("write", project="rival")), 404, "UNKNOWN_SILENCE")
    clock.now += timedelta(hours=1)
    ended = data_of(await client.delete(path, headers=headers))
    assert (ended["state"], ended["ends_at"]) == ("expired", "2026-01-15T11:30:00.000Z")
    assert silenced(log, clock.now - timedelta(milliseconds=1))
    assert not silenced(log, clock.now)
    assert data_of(await client.get(PATH, headers=headers)) == [ended]
    data_of(await client.delete(path, headers=headers))
    assert not log.configuration.of(Silence)
    refused(await client.delete(path, headers=headers), 404, "UNKNOWN_SILENCE")
    later = {"starts_at": "2026-01-16T00:00:00Z", "duration": "1h"}
    scheduled = data_of(await client.post(PATH, json=later, headers=headers), 201)
    at_once = data_of(await client.post(PATH, json={"duration": "1h"}, headers=headers), 201)
    for each in (scheduled, at_once):
        data_of(await client.delete(f"{PATH}/{each['id']}", headers=headers))
    assert not log.configuration.of(Silence)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "duration"),
        ({"duration": "2h", "ends_at": "2026-01-16T00:00:00Z"}, "duration"),
        ({"duration": "0h"}, "duration"),
        ({"duration": "2 hours"}, "duration"),
        ({"ends_at": "2026-01-16T00:00:00"}, "ends_at"),
        ({"ends_at": "2026-01-15T10:30:00Z"}, "ends_at"),
        ({"starts_at": "2026-01-16T00:00:00Z", "ends_at": "2026-01-15T23:00:00Z"}, "ends_at"),
        ({"starts_at": "2026-01-01T00:00:00Z", "duration": "1h"}, "ends_at"),
        ({"starts_at": "9999-12-31T00:00:00Z", "duration": "9d"}, "duration"),
        ({"duration": "367d"}, "duration"),
        ({"starts_at": "2026-12-01T00:00:00Z", "duration": "99d"}, "duration"),
        ({"ends_at": "9999-12-31T00:00:00Z"}, "ends_at"),
        ({"ends_at": "2027-01-16T10:30:00.001Z"}, "ends_at"),
        ({"starts_at": "1960-01-01T00:00:00Z", "duration": "99999d"}, "starts_at"),
        ({"duration": "1h", "rule": "nothing"}, "rule"),
        ({"duration": "1h", "severity": "bad"}, "severity"),
        ({"duration": "1h", "dimensions": {"country": "x" * 201}}, "dimensions.country"),
        ({"duration": "1h", "project": "rival"}, "project"),
    ],
    ids=lambda given: json.dumps(given)[:60],
)
async def test_what_makes_no_silence_is_named(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, log: Log, body: dict[str, Any], field: str
) -> None:
    response = await client.post(PATH, json=body, headers=bearer("write"))
    [detail] = refused(response, 422, "VALIDATION_ERROR")["details"]
    assert detail["field"] == field
    assert "pattern" not in detail["reason"], "a person need not know them"
    assert not log.configuration.of(Silence)


async def test_a_silence_may_last_a_year(client: httpx.AsyncClient, bearer: Bearer) -> None:
    made = data_of(await client.post(PATH, json={"duration": "366d"}, headers=bearer("write")), 201)
    assert made["ends_at"] == "2027-01-16T10:30:00.000Z"


async def test_who_may_and_how_many(
    client: httpx.AsyncClient, bearer: Bearer, log: Log, refused: Refused
) -> None:
    body = {"duration": "1h"}
    refused(await client.post(PATH, json=body, headers=bearer("read")), 403, "INSUFFICIENT_SCOPE")
    refused(await client.delete(f"{PATH}/x", headers=bearer("read")), 403, "INSUFFICIENT_SCOPE")
    for number in range(MAX_SILENCES):
        silence = Silence(project="shop", starts_at=1, ends_at=2)
        await log.put(f"shop/{number}", silence, replaces=None, by="asha")
    refused(await client.post(PATH, json=body, headers=bearer("write")), 409, "TOO_MANY_SILENCES")
    data_of(await client.post(PATH, json=body, headers=bearer("write", project="rival")), 201)
    assert data_of(await client.get(PATH, headers=bearer("read", project="other"))) == []
