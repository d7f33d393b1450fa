"""A project's settings over HTTP: told, changed by who may, refused in one sentence, and in force at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_schemas.project import MAX_FORMER, FormerDays, ProjectSettings
from loopin_sinks.store import Store
from loopin_streams.projects.project import Projects
from loopin_streams.projects.settings import ProjectDefaults
from tests.api.config_in_memory import Log
from tests.streams.kafka.configured import Record
from tests.streams.projects.own import own

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]

BEGIN = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
PATH = "/api/analytics/project"
DAY_MS = 86_400_000


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


def data_of(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()["data"]


@pytest.fixture
def patch(client: httpx.AsyncClient, bearer: Bearer) -> Callable[..., Any]:
    async def change(body: dict[str, Any], version: str = "") -> httpx.Response:
        headers = bearer("admin", sub="asha")
        return await client.patch(
            PATH, json=body, headers=headers, params={"version": version} if version else {}
        )

    return change


async def test_what_is_set_for_all_holds_until_a_project_has_its_own(
    client: httpx.AsyncClient, bearer: Bearer, patch: Callable[..., Any], log: Log
) -> None:
    as_set = {
        "project": "shop",
        "timezone": "UTC",
        "currency": "INR",
        "rates": {},
        "internal_users": [],
        "raw_retention_days": 90,
        "hourly_retention_days": 365,
        "daily_retention_days": 1095,
        "targets": {},
        "forecasts": [],
        "holidays": None,
        "own": [],
        "version": "default",
        "changed_by": None,
    }
    assert data_of(await client.get(PATH, headers=bearer("read"))) == as_set
    changed = data_of(
        await patch(
            {
                "timezone": "Asia/Kolkata",
                "rates": {"EUR": {"2026-02-01": 99, "2026-01-01": 98.5}},
                "internal_users": ["ravi", "asha", "ravi"],
                "daily_retention_days": 2000,
            }
        )
    )
    assert changed == {
        **as_set,
        "timezone": "Asia/Kolkata",
        "rates": {"EUR": {"2026-01-01": 98.5, "2026-02-01": 99.0}},
        "internal_users": ["asha", "ravi"],
        "daily_retention_days": 2000,
        "own": ["timezone", "rates", "internal_users", "daily_retention_days"],
        "version": "1",
        "changed_by": "asha",
    }
    assert data_of(await client.get(PATH, headers=bearer("read"))) == changed
    # What a worker that follows the same records makes of them.
    known = Projects(ProjectDefaults().project, lambda: log.configuration).of("shop")
    assert (str(known.zone), known.internal, known.retention.daily) == (
        "Asia/Kolkata",
        frozenset({"asha", "ravi"}),
        2000,
    )
    again = data_of(await patch(dict.fromkeys(changed["own"])))
    assert again == as_set
    assert log.records[-1].value is None, "nothing of its own is no record"


async def test_days_of_answers_are_those_of_the_project(
    client: httpx.AsyncClient, bearer: Bearer, patch: Callable[..., Any]
) -> None:
    async def refused(tz: str) -> str:
        answer = await client.get("/api/daily", headers=bearer("read"), params={"tz": tz, "days": "1"})
        assert answer.status_code == 422
        return str(answer.json()["details"][0]["reason"])

    assert "Rows are days of UTC" in await refused("Asia/Kolkata")
    data_of(await patch({"timezone": "Asia/Kolkata"}))
    assert "Rows are days of Asia/Kolkata" in await refused("UTC")


async def test_metrics_go_by_the_projects_targets_and_by_the_limits_of_its_rules(
    client: httpx.AsyncClient, bearer: Bearer, patch: Callable[..., Any], refused: Refused
) -> None:
    async def told(name: str, project: str = "shop") -> dict[str, Any]:
        listed = data_of(
            await client.get("/api/analytics/metric-definitions", headers=bearer("read", project=project))
        )
        [metric] = [each for each in listed if each["name"] == name]
        return {each: metric[each] for each in ("target_value", "warning_threshold", "critical_threshold")}

    assert await told("event_rating") == {
        "target_value": 4.5,
        "warning_threshold": None,
        "critical_threshold": None,
    }
    data_of(await patch({"targets": {"event_rating": 4.8}}))
    assert (await told("event_rating"))["target_value"] == 4.8
    refused(await patch({"targets": {"event_rating": 0}}), 422, "VALIDATION_ERROR")
    refused(await patch({"targets": {"Event rating": 1}}), 422, "VALIDATION_ERROR")

    before = await told("refund_rate")
    condition = {"type": "threshold", "direction": "above", "warning": 0.4, "critical": 0.6}
    changed = await client.patch(
        "/api/analytics/alert-rules/refund_rate",
        json={"condition": condition},
        headers=bearer("read", "write"),
    )
    assert changed.status_code == 200, changed.text
    limits = {"warning_threshold": 0.4, "critical_threshold": 0.6}
    assert await told("refund_rate") == {**before, **limits}
    assert await told("refund_rate", "demo") == before


async def test_another_project_is_not_touched(
    client: httpx.AsyncClient, bearer: Bearer, patch: Callable[..., Any]
) -> None:
    data_of(await patch({"timezone": "Asia/Kolkata"}))
    other = data_of(await client.get(PATH, headers=bearer("read", project="demo")))
    assert (other["project"], other["timezone"], other["own"]) == ("demo", "UTC", [])


async def test_reading_takes_read_and_changing_admin(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, log: Log
) -> None:
    refused(await client.get(PATH, headers=bearer("ingest")), 403, "INSUFFICIENT_SCOPE")
    writer = bearer("read", "write")
    refused(await client.patch(PATH, json={"currency": "EUR"}, headers=writer), 403, "INSUFFICIENT_SCOPE")
    assert log.records == []


async def test_nobody_overwrites_what_they_have_not_seen(
    patch: Callable[..., Any], refused: Refused, log: Log
) -> None:
    first = data_of(await patch({"currency": "EUR"}, version="default"))
    refused(await patch({"currency": "USD"}, version="default"), 409, "CHANGED_MEANWHILE")
    second = data_of(await patch({"currency": "USD"}, version=first["version"]))
    assert (second["currency"], second["version"]) == ("USD", "2")
    assert data_of(await patch({"currency": "USD"})) == second, "what changes nothing is no change"
    assert len(log.records) == 2


async def test_a_record_that_cannot_be_read_can_be_replaced(patch: Callable[..., Any], log: Log) -> None:
    broken = own("shop", timezone="Mars/Olympus")
    log.configuration.apply(Record(broken.key, broken.value, 7))
    assert log.configuration.version("project", "shop") == "@7"
    assert data_of(await patch({"timezone": "Asia/Tokyo"}))["timezone"] == "Asia/Tokyo"
    assert log.configuration.broken == {}


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        (
            {"timezone": "Mars/Olympus"},
            "timezone",
            "Give a name of the tz database, such as UTC or Asia/Kolkata.",
        ),
        ({"currency": "eur"}, "currency", "Give a code of ISO 4217, three capital letters such as INR."),
        ({"rates": {"EUR": {"yesterday": 1}}}, "rates.EUR.yesterday", None),
        ({"rates": {"EUR": {"2026-01-01": 0}}}, "rates.EUR.2026-01-01", "Give more than 0."),
        ({"raw_retention_days": 0}, "raw_retention_days", "Give 1 or more."),
        ({"internal_users": [""]}, "internal_users.0", "Give 1 or more characters."),
        ({"zone": "UTC"}, "zone", "There is no such field; leave it out."),
    ],
)
async def test_what_cannot_be_is_refused_with_its_field(
    patch: Callable[..., Any],
    refused: Refused,
    log: Log,
    body: dict[str, Any],
    field: str,
    reason: str | None,
) -> None:
    answer = refused(await patch(body), 422, "VALIDATION_ERROR")
    assert answer["details"][0]["field"] == field
    assert reason in (None, answer["details"][0]["reason"])
    assert log.records == []


async def test_rates_go_with_their_currency(patch: Callable[..., Any], refused: Refused) -> None:
    data_of(await patch({"rates": {"EUR": {"2026-01-01": 98.5}}}))
    answer = refused(await patch({"currency": "USD"}), 422, "VALIDATION_ERROR")
    assert answer["details"] == [
        {
            "field": "rates",
            "reason": "Rates are in the project's currency: give those in USD, or {} for none.",
        }
    ]
    changed = data_of(await patch({"currency": "USD", "rates": {"EUR": {"2026-01-01": 1.1}}}))
    assert (changed["currency"], changed["rates"]) == ("USD", {"EUR": {"2026-01-01": 1.1}})


async def test_a_longer_retention_remembers_the_shorter_one_while_it_tells(
    patch: Callable[..., Any], log: Log, clock: Clock
) -> None:
    def former() -> tuple[FormerDays, ...]:
        return log.configuration.of(ProjectSettings)["shop"].body.former_raw

    begin = round(BEGIN.timestamp() * 1000)
    data_of(await patch({"raw_retention_days": 30}))
    assert former() == ()
    clock.now = BEGIN + timedelta(days=5)
    data_of(await patch({"raw_retention_days": 365}))
    assert former() == (FormerDays(begin + 5 * DAY_MS, 30),)
    clock.now = BEGIN + timedelta(days=400)
    data_of(await patch({"currency": "EUR"}))
    assert former() == ()


async def test_however_often_it_changes_no_more_is_believed_to_be_there_than_is(
    patch: Callable[..., Any], log: Log, clock: Clock
) -> None:
    stored: list[tuple[int, int]] = []
    for number in range(MAX_FORMER + 10):
        clock.now = BEGIN + timedelta(days=3 * number)
        days = 40 + 7 * number
        data_of(await patch({"raw_retention_days": days}))
        stored.append((round(clock.now.timestamp() * 1000), days))
    known = Projects(configuration=lambda: log.configuration).of("shop")
    assert len(known.former_raw) <= MAX_FORMER
    for later in range(0, 400, 20):
        now = stored[-1][0] + later * DAY_MS
        # By hand: a day is whole if what was stored on it, and since, is kept for longer than it is old.
        missing = [
            min(now, until)
            for (_, days), (until, _) in zip(stored, stored[1:], strict=False)
            if now - until >= 0
        ]
        whole = min(
            stored[-1][1],
            *(max((now - until) // DAY_MS, days) for (_, days), until in zip(stored, missing, strict=False)),
        )
        assert 0 < known.whole_days(now) <= whole


async def test_while_the_broker_is_away_nothing_changes(
    patch: Callable[..., Any], refused: Refused, log: Log
) -> None:
    log.down = True
    refused(await patch({"currency": "EUR"}), 503, "NOT_CONFIGURED")
