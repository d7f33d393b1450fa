"""Alerts over HTTP: what is listed, what is behind one, who looks after it, and that the way is open."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_schemas.alert import Alert, AlertWindow, ExpectedRange
from loopin_schemas.alert_rule import Acknowledgement
from loopin_schemas.codec import decode
from loopin_schemas.window import MetricWindow
from loopin_sinks.store import Store
from tests.api.alerts_stored import store_alerts, store_windows
from tests.api.config_in_memory import Log
from tests.sinks.alerts.recorded import MINUTE_MS, T, some_alert

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
DAY_MS = 86_400_000
PATH = "/api/analytics/alerts"


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker, log: Log) -> FastAPI:
    return create_app(settings, store, broker, config=log, writer=log, clock=lambda: NOW)


async def answer(client: httpx.AsyncClient, headers: dict[str, str], path: str = PATH) -> Any:
    response = await client.get(path, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()["data"]


def resolved(alert: Alert, at_ms: int) -> Alert:
    fields = {name: getattr(alert, name) for name in Alert.__struct_fields__}
    over = {"sequence": 2, "event": "resolved", "state": "resolved", "resolved_at": at_ms, "at": at_ms}
    return Alert(**{**fields, **over})


FIRING = some_alert(id="firing", opened_at=T - 60 * MINUTE_MS, severity="critical")
ACKNOWLEDGED = some_alert(id="acked", opened_at=T - 3 * DAY_MS, state="acknowledged", acknowledged_by="asha")
PENDING = some_alert(id="pending", opened_at=T - MINUTE_MS, state="pending", fired_at=None, metric="events")
OLD = some_alert(id="old", opened_at=T - 40 * DAY_MS, rule="events_absent", metric="events")
OVER = some_alert(id="over", opened_at=T - 40 * DAY_MS)
RIVAL = some_alert(id="firing", project="rival", opened_at=T)


@pytest.fixture
async def known(store: Store) -> None:
    over = resolved(OVER, T - 35 * DAY_MS)
    await store_alerts(store, [FIRING, ACKNOWLEDGED, PENDING, OLD, OVER, over, RIVAL])


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["pending", "firing", "acked", "old"]),
        ("?state=firing", ["firing", "old"]),
        ("?state=resolved", []),
        ("?state=resolved&from=-40d", ["over"]),
        ("?state=resolved&from=-35d", ["over"]),
        ("?from=2025-12-12", ["pending", "firing", "acked", "old"]),
        ("?to=-2d", ["acked", "old"]),
        ("?severity=critical", ["firing"]),
        ("?rule=events_absent", ["old"]),
        ("?metric=events", ["pending", "old"]),
        ("?metric=events&state=firing", ["old"]),
        ("?page_size=2&page=2", ["acked", "old"]),
    ],
)
async def test_alerts_are_listed_as_they_are_now(
    client: httpx.AsyncClient, bearer: Bearer, known: None, query: str, ids: list[str]
) -> None:
    data = await answer(client, bearer("read"), f"{PATH}{query}")
    assert [alert["id"] for alert in data["results"]] == ids
    if "page" not in query:
        assert (data["count"], data["next"]) == (len(ids), None)


async def test_a_page_beyond_the_last_is_none(
    client: httpx.AsyncClient, bearer: Bearer, known: None, refused: Refused
) -> None:
    refused(await client.get(f"{PATH}?page=9", headers=bearer("read")), 404, "UNKNOWN_PAGE")
    refused(await client.get(f"{PATH}?state=on", headers=bearer("read")), 422, "VALIDATION_ERROR")
    refused(await client.get(f"{PATH}?country=IN", headers=bearer("read")), 422, "VALIDATION_ERROR")


async def test_an_alert_tells_its_history_and_what_it_is_made_of(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, refused: Refused
) -> None:
    id = "shop:late_share:page=/a/b?c=d,e:1768473000000"
    start = T - 2 * MINUTE_MS
    names = [f"late_share/page//a/b?c=d/minute/{at}" for at in (start, start + MINUTE_MS)]
    window = AlertWindow(grain="minute", start=start, end=T)
    about = {
        **{"id": id, "dimensions": {"page": "/a/b?c=d"}, "windows": names, "window": window},
        **{"expected": ExpectedRange(low=0.01, high=0.05), "labels": {"team": "web"}},
    }
    worse = some_alert(2, event="worse", severity="critical", value=0.4, **about)
    await store_alerts(store, [worse, some_alert(1, **about), some_alert(1, **{**about, "project": "rival"})])
    series: dict[str, Any] = {
        "project": "shop",
        "metric": "late_share",
        "dimension": "page",
        "grain": "minute",
    }
    await store_windows(
        store,
        [
            MetricWindow(**series, value="/a/b?c=d", start=start, count=9, sum=2_500_000, revision=1),
            MetricWindow(
                **series, value="/a/b?c=d", start=start, count=10, sum=4_000_000, revision=2, closed=True
            ),
            MetricWindow(**series, value="/a/b", start=start, count=99, revision=2),
            MetricWindow(**{**series, "grain": "hour"}, value="/a/b?c=d", start=start, count=99, revision=2),
            MetricWindow(
                **{**series, "project": "rival"}, value="/a/b?c=d", start=start, count=99, revision=9
            ),
        ],
    )
    path = httpx.URL("http://api").copy_with(raw_path=f"{PATH}/{id}".replace("?", "%3F").encode())
    data = await answer(client, bearer("read"), str(path))
    history, numbers = data.pop("history"), data.pop("window_numbers")
    assert [(one["sequence"], one["event"]) for one in history] == [(1, "fired"), (2, "worse")]
    assert data == history[-1]
    assert (data["severity"], data["value"], data["expected"]) == (
        "critical",
        0.4,
        {"low": 0.01, "high": 0.05},
    )
    assert data["window"] == {
        "grain": "minute",
        "start": "2026-01-15T10:28:00.000Z",
        "end": "2026-01-15T10:30:00.000Z",
    }
    assert numbers == [
        {"name": names[0], "count": 10, "sum": 4.0, "closed": True, "basis": "distinct_ids"},
        {"name": names[1], "count": None, "sum": None, "closed": None, "basis": None},
    ]
    refused(await client.get(f"{PATH}/nothing", headers=bearer("read")), 404, "UNKNOWN_ALERT")
    other = bearer("read", project="other")
    refused(await client.get(str(path), headers=other), 404, "UNKNOWN_ALERT")


async def test_somebody_looks_after_an_alert(
    client: httpx.AsyncClient, bearer: Bearer, known: None, log: Log
) -> None:
    for comment, sub in (("On it.", "asha"), ("", "ben")):
        sent = {"comment": comment} if comment else None
        response = await client.post(f"{PATH}/firing/ack", headers=bearer("write", sub=sub), json=sent)
        assert response.status_code == 200, response.text
        assert response.json()["data"] == {
            "id": "firing",
            "acknowledged_by": sub,
            "acknowledged_at": "2026-01-15T10:30:00.000Z",
            "comment": comment,
        }
        item = log.configuration.of(Acknowledgement)["firing"]
        body = Acknowledgement(project="shop", sequence=1, at=round(NOW.timestamp() * 1000), comment=comment)
        assert (item.by, item.body) == (sub, body)


async def test_what_cannot_be_acknowledged(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, known: None, log: Log, refused: Refused
) -> None:
    await store_alerts(store, [some_alert(id="é" * 101)])
    headers = bearer("write")

    async def ack(id: str, headers: dict[str, str] = headers, body: Any = None) -> httpx.Response:
        return await client.post(f"{PATH}/{id}/ack", json=body or {}, headers=headers)

    refused(await ack("nothing"), 404, "UNKNOWN_ALERT")
    refused(await ack("over"), 409, "ALERT_RESOLVED")
    refused(await ack("é" * 101), 409, "ID_TOO_LONG")
    refused(await ack("firing", bearer("read")), 403, "INSUFFICIENT_SCOPE")
    refused(await ack("acked", bearer("write", project="rival")), 404, "UNKNOWN_ALERT")
    refused(await ack("firing", body={"by": "x"}), 422, "VALIDATION_ERROR")
    refused(
        await client.post(f"{PATH}/firing/ack", content="x", headers=headers), 415, "UNSUPPORTED_MEDIA_TYPE"
    )
    log.down = True
    refused(await ack("firing"), 503, "NOT_CONFIGURED")
    assert not log.configuration.of(Acknowledgement)


async def test_a_test_alert_fires_and_is_over(
    client: httpx.AsyncClient, bearer: Bearer, broker: Broker, refused: Refused
) -> None:
    response = await client.post(f"{PATH}/test", headers=bearer("write", sub="asha"))
    assert response.status_code == 200, response.text
    assert broker.topics == ["alerts", "alerts"]
    assert {key for key, _ in broker.records} == {b"shop:test"}
    fired, over = (decode(value, Alert) for _, value in broker.records)
    assert (fired.sequence, fired.event, fired.state, fired.severity) == (1, "fired", "firing", "warning")
    assert (over.sequence, over.event, over.state) == (2, "resolved", "resolved")
    assert fired.id == over.id == response.json()["data"]["id"]
    assert fired.labels == {"raised_by": "asha"}
    refused(await client.post(f"{PATH}/test", headers=bearer("read")), 403, "INSUFFICIENT_SCOPE")
    broker.answer = "refuse"
    refused(await client.post(f"{PATH}/test", headers=bearer("write")), 503, "NOT_PUBLISHED")


async def test_the_overview_shows_what_fires_unsilenced_the_worst_and_newest_first(
    client: httpx.AsyncClient, bearer: Bearer, store: Store
) -> None:
    earlier: dict[str, Any] = {"fired_at": T - 10 * MINUTE_MS}
    count: dict[str, Any] = {"metric": "events", "value": 3.0, "threshold": 10.0}
    await store_alerts(
        store,
        [
            some_alert(id="1", **count, **earlier),
            some_alert(id="2"),
            some_alert(id="3", severity="critical", value=0.25, threshold=0.2, **earlier),
            some_alert(id="4", metric="invalid_ratio", severity="critical", value=0.5, threshold=0.5),
            some_alert(id="5", silenced=True),
            some_alert(id="6", state="acknowledged", acknowledged_by="asha"),
            some_alert(id="7", state="pending", fired_at=None),
            some_alert(id="8"),
            resolved(some_alert(id="8"), T),
            some_alert(id="9", project="rival"),
        ],
    )
    expected = [
        {"metric_name": "invalid_ratio", "value": 50.0, "threshold": 50.0, "severity": "critical"},
        {"metric_name": "payment_failure_rate", "value": 25.0, "threshold": 20.0, "severity": "critical"},
        {"metric_name": "payment_failure_rate", "value": 15.2, "threshold": 10.0, "severity": "warning"},
        {"metric_name": "events", "value": 3.0, "threshold": 10.0, "severity": "warning"},
    ]
    for path in ("overview", "real-time"):
        data = await answer(client, bearer("read"), f"/api/analytics/{path}")
        assert data["alerts"] == expected
