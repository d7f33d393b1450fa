"""The screen as a person sees it, at two sizes, from what the feed tells."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from loopin_deploy.live_client import LiveEvent
from loopin_deploy.watch.state import WatchState
from loopin_deploy.watch.view import WatchView, sparkline
from loopin_schemas.alert import Alert, AlertWindow
from loopin_schemas.codec import encode

NOW = datetime(2026, 1, 15, 10, 30, 20, tzinfo=UTC)
MINUTE = NOW.replace(second=0)
START_MS = 1_768_473_000_000


def text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def metric(metric: str, count: int, at: datetime = MINUTE, **changed: Any) -> LiveEvent:
    given = {
        "metric": metric, "dimension": "", "dimension_value": "", "grain": "minute", "start": text(at),
        "count": count, "sum": None,
    }  # fmt: skip
    return LiveEvent("metric", "", {**given, **changed})


def by_event(name: str, count: int, **changed: Any) -> LiveEvent:
    return metric("events", count, dimension="event", dimension_value=name, **changed)


def alert(id: str, severity: Any, second: int, **changed: Any) -> LiveEvent:
    """As the feed tells the record that the worker writes."""
    given: dict[str, Any] = {
        "id": id, "sequence": 1, "event": "fired", "state": "firing", "severity": severity, "project": "shop",
        "rule": "failures", "rule_version": "v", "metric": "payment_failure_rate", "value": 0.5,
        "window": AlertWindow(grain="minute", start=START_MS, end=START_MS + 60_000), "message": "Much.",
        "opened_at": START_MS, "fired_at": START_MS, "at": START_MS + second * 1000,
    }  # fmt: skip
    return LiveEvent("alert", "", json.loads(encode(Alert(**{**given, **changed}))))


def begun() -> WatchState:
    """What the API answered: 20 events in each of the last 30 minutes."""
    state = WatchState("shop")
    minutes = [
        {"at": text(MINUTE - ago * timedelta(minutes=1)), "events": 20, "active_users": 5, "revenue": 1.0}
        for ago in range(30)
    ]
    state.begin(
        {
            "minutes": minutes,
            "currency": "INR",
            "top_events": [{"event": "$pageview", "count": 400}],
            "online_members": 3,
            "alerts": [
                {"metric_name": "payment_failure_rate", "value": 15.2, "threshold": 10, "severity": "warning"}
            ],
        },
        {"tz": "UTC", "active_users_today": 1234, "total_revenue": 5620.5},
    )
    return state


def told() -> WatchState:
    """The same a little later."""
    state = begun()
    day = MINUTE.replace(hour=0, minute=0)
    events = [
        LiveEvent("connected", "", None),
        metric("events", 100),
        by_event("api_request", 30),  # the backend's own, which no user did
        by_event("click", 40),
        by_event("[red]odd[/]\x1b[2J", 30),
        by_event("payment_failed", 1, grain="day", start=text(day)),
        by_event("payment_succeeded", 3, grain="day", start=text(day)),
        metric("active_users", 1300, grain="day", start=text(day)),
        metric("sentiment", 4, grain="day", start=text(day), sum=-1.0),
        metric("revenue", 4, grain="day", start=text(day), sum=6000.0),
        metric("active_users", 9, grain="day", start=text(day - timedelta(days=1))),
        LiveEvent("online", "", {
            "online_members": 61,
            "communities": [{"community_id": n, "online_members": 60 - n} for n in range(1, 40)],
        }),
        *(
            alert(f"a{n}", "critical", n, message=f"Too many, {n}.")
            for n in range(3)
        ),
        alert("a1", "critical", 3, message="It is\nover.", event="resolved", state="resolved"),
        alert("p", "warning", 4, event="pending", state="pending", fired_at=None),
        alert("q", "warning", 5, event="resolved", state="resolved", fired_at=None),
        alert("s", "warning", 6, silenced=True),
    ]  # fmt: skip
    for event in events:
        state.take(event)
    return state


def shown(state: WatchState, width: int, height: int) -> list[str]:
    console = Console(file=StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    console.print(WatchView(state, NOW))
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_what_the_api_answered_is_shown_first() -> None:
    lines = shown(begun(), 80, 24)
    assert lines[0] == "shop  10:30:20 UTC"
    assert lines[3].split() == ["20", "1,234", "5,620.50", "-", "-", "3"]
    assert lines[6] == f"events a minute {'█' * 30}  most 20 in 30 min"
    assert lines[9].split() == ["Events,", "last", "30", "minutes", "Online", "now"]
    assert lines[10].split() == ["$pageview", "400"]
    assert lines[-1] == "firing    warning  payment_failure_rate is 15.2 (limit 10)"


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 50)])
def test_it_fits_the_terminal_and_shows_the_newest(width: int, height: int) -> None:
    lines = shown(told(), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert lines[0] == "shop  10:30:20 UTC  live"
    assert lines[2].split("  ") != [""]
    assert lines[3].split() == ["20", "1,300", "6,000.00", "-0.25", "25.0%", "61"]
    assert lines[4].split() == ["70", "so", "far", "active", "INR", "today", "today", "members"]
    assert lines[6] == f"events a minute {'▃' * 29}█  most 70 in 30 min"
    assert [line.split()[:2] for line in lines[10:12]] == [["click", "40"], ["[red]odd[/]\\x1b[2J", "30"]]
    assert lines[10].split()[2:] == ["community", "1", "59"]
    at = lines.index("Newest alerts")
    assert lines[at + 1 :] == [
        "10:30:03  resolved It is\\nover.",
        "10:30:02  critical Too many, 2.",
        "10:30:00  critical Too many, 0.",
    ]
    assert ("community 30" in "\n".join(lines)) is (height == 50)


def test_a_lost_connection_and_a_reset_are_noticed() -> None:
    state = told()
    state.take(LiveEvent("lost", "", "Connection refused"))
    assert shown(state, 120, 24)[0] == "shop  10:30:20 UTC  not connected (Connection refused): trying again"
    state.take(LiveEvent("connected", "", None))
    assert shown(state, 80, 24)[0].endswith("live")
    state.take(LiveEvent("reset", "", {"reason": "expired"}))
    assert state.must_read_anew


def test_a_new_day_begins_with_nothing() -> None:
    state = told()
    tomorrow = text(MINUTE.replace(hour=0, minute=0) + timedelta(days=1))
    state.take(metric("active_users", 1, grain="day", start=tomorrow))
    assert (state.today.active_users, state.today.revenue, state.today.sentiment) == (1, None, None)


@pytest.mark.parametrize(
    ("numbers", "bars"), [([], ""), ([0, 0], "▁▁"), ([0, 1, 4, 7], "▁▂▅█"), ([1, 1000], "▂█")]
)
def test_a_sparkline_tells_nothing_from_little(numbers: list[int], bars: str) -> None:
    assert sparkline(numbers) == bars
