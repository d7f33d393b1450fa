"""The screen as a person sees it, at two sizes, from what the feed tells."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from loopin_deploy.live_client import LiveEvent
from loopin_deploy.watch.state import WatchState
from loopin_deploy.watch.view import WatchView, duration, sparkline
from loopin_schemas.alert import Alert, AlertWindow, ExpectedRange
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
        "opened_at": START_MS, "fired_at": START_MS + min(second, 0) * 1000, "at": START_MS + second * 1000,
    }  # fmt: skip
    return LiveEvent("alert", "", json.loads(encode(Alert(**{**given, **changed}))))


def answered(event: LiveEvent) -> dict[str, Any]:
    """The same record as the API answers it: times are text."""
    times = {
        name: datetime.fromtimestamp(event.data[name] / 1000, UTC).isoformat()
        for name in ("at", "opened_at", "fired_at")
    }
    return {**event.data, "expected": None, "dimensions": {}, **times}


def begun() -> WatchState:
    """What the API answered: 20 events in each of the last 30 minutes."""
    state = WatchState("shop", lambda: NOW)
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
        },
        {"tz": "UTC", "active_users_today": 1234, "total_revenue": 5620.5},
        [answered(alert("old", "warning", -9000, value=0.152, threshold=0.1, rule="other"))],
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
        by_event("payment_failed", 1),
        by_event("payment_succeeded", 3),
        by_event("payment_failed", 9, start=text(MINUTE - 20 * timedelta(minutes=1))),
        by_event("click", 1, start=text(MINUTE - 14 * timedelta(minutes=1))),
        metric("active_users", 17),
        metric("active_users", 1300, grain="day", start=text(day)),
        metric("sentiment", 4, grain="day", start=text(day), sum=-1.0),
        metric("revenue", 4, grain="day", start=text(day), sum=6000.0),
        metric("active_users", 9, grain="day", start=text(day - timedelta(days=1))),
        LiveEvent("online", "", {
            "online_members": 61,
            "communities": [{"community_id": n, "online_members": 60 - n} for n in range(1, 40)],
        }),
        alert("a", "warning", 0, value=0.11, threshold=0.1),
        alert("a", "critical", 8, value=0.213, threshold=0.2, event="worse", sequence=2),
        alert("a", "critical", 9, value=0.3, threshold=0.2, event="reminded", sequence=3),
        alert("b", "warning", 1, metric="p95", value=1234.5, expected=ExpectedRange(low=10, high=20.25),
              dimensions={"country": "[b]IN\x1b"}),
        alert("b", "warning", 3, metric="p95", value=15.0, event="resolved", state="resolved", sequence=2),
        alert("c", "critical", 4, metric="slow_response_p95", value=3100.0, threshold=3000.0),
        alert("c", "critical", 5, metric="slow_response_p95", value=3100.0, threshold=3000.0,
              event="acknowledged", state="acknowledged", sequence=2),
        alert("p", "warning", 4, event="pending", state="pending", fired_at=None),
        alert("q", "warning", 5, event="resolved", state="resolved", fired_at=None),
        alert("s", "warning", 6, silenced=True),
    ]  # fmt: skip
    for event in events:
        state.take(event)
    return state


def shown(state: WatchState, width: int, height: int, note: str = "") -> list[str]:
    console = Console(file=StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    console.print(WatchView(state, NOW, note))
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_what_the_api_answered_is_shown_first() -> None:
    lines = shown(begun(), 80, 24)
    assert lines[0] == "shop  10:30:20 UTC"
    assert lines[3].split() == ["0.0", "5", "5,620", "-", "3", "-"]
    assert lines[4].split() == ["20/min", "1,234", "today", "INR", "today", "members", "today"]
    assert lines[6] == f"events a minute {'█' * 30}  most 20 in 30 min"
    assert lines[8] == f"failed payments {'▁' * 30}  - in 30 min", "nobody knows yet"
    assert lines[10].split() == ["Events,", "last", "30", "minutes", "Online", "now"]
    assert lines[11].split() == ["$pageview", "400"]
    assert lines[-1].split() == ["warning", "08:00:00", "payment_failure_rate", "15.2%", "10.0%", "2:30", "h"]


ALERTS = [
    ["critical", "10:30:08", "payment_failure_rate", "21.3%", "20.0%", "12 s"],
    ["looked after", "10:30:05", "slow_response_p95", "3,100 ms", "3,000 ms", "15 s"],
    ["warning", "08:00:00", "payment_failure_rate", "15.2%", "10.0%", "2:30 h"],
    ["critical", "10:30:04", "slow_response_p95", "3,100 ms", "3,000 ms", "1 s"],
    ["resolved", "10:30:03", "p95", "15", "-", "3 s"],
    ["warning", "10:30:01", "p95 (country [b]IN\\x1b)", "1,234.50", "10 to 20.25", "2 s"],
    ["warning", "10:30:00", "payment_failure_rate", "11.0%", "10.0%", "8 s"],
]
"""Those that are open first; how long each was so, and of one that is over how long it was there."""


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
@pytest.mark.parametrize("note", ["", "It is simulated. " * 30])
def test_it_fits_the_terminal_and_shows_the_newest(width: int, height: int, note: str) -> None:
    lines = shown(told(), width, height, note)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert lines[0] == "shop  10:30:20 UTC  live"
    assert lines[3].split() == ["5.0", "17", "6,000", "25.0%", "61", "-0.25"]
    today = ["20/min", "1,300", "today", "INR", "today", "last", "15", "min", "members", "today"]
    assert lines[4].split() == today
    assert lines[6] == f"events a minute {'▃' * 29}█  most 70 in 30 min"
    assert lines[8] == f"failed payments {'▁' * 9}█{'▁' * 19}▃  most 100% in 30 min"
    assert [line.split()[:2] for line in lines[11:13]] == [["click", "40"], ["[red]odd[/]\\x1b[2J", "30"]]
    assert lines[11].split()[2:] == ["community", "1", "59"]
    (at,) = (number for number, line in enumerate(lines) if line.startswith("Alerts "))
    alerts = lines[at + 1 : -3] if note else lines[at + 1 :]
    found = [re.split(r" {2,}", line) for line in alerts]
    assert len(found) == len(ALERTS) if height == 40 else len(found) >= 3
    assert found == ALERTS[: len(found)]
    if note:
        assert lines[-3] == ""
        assert all(
            line.startswith(("It is simulated.", "is simulated.", "simulated.")) for line in lines[-2:]
        )
    assert ("community 20" in "\n".join(lines)) is (height == 40 and not note)


def test_the_same_record_twice_changes_nothing() -> None:
    state = told()
    before = shown(state, 120, 40)
    state.take(alert("a", "warning", 0, value=0.11, threshold=0.1))
    state.take(alert("b", "warning", 3, metric="p95", event="resolved", state="resolved", sequence=2))
    assert shown(state, 120, 40) == before


def test_a_silenced_alert_is_shown_no_more_until_it_is_told_again() -> None:
    state = told()
    assert state.severity("payment_failure_rate") == "critical"
    state.take(alert("a", "critical", 10, event="silenced", silenced=True, sequence=4))
    assert state.severity("payment_failure_rate") == "warning", "the old one of another rule"
    assert {line.id for line in state.alerts} == {"b", "c", "old"}
    state.take(alert("a", "critical", 11, event="unsilenced", sequence=5))
    assert state.severity("payment_failure_rate") == "critical"
    state.take(alert("a", "critical", 12, event="resolved", state="resolved", sequence=6))
    state.take(alert("old", "warning", 12, event="resolved", state="resolved", sequence=2))
    assert state.severity("payment_failure_rate") is None


def test_events_a_second_are_those_of_the_last_ten() -> None:
    clock = [NOW]
    state = WatchState("shop", lambda: clock[0])
    for second, count in enumerate((10, 30, 70, 70)):
        clock[0] = NOW + timedelta(seconds=second)
        state.take(metric("events", count))
    assert state.events_per_s(NOW + timedelta(seconds=5)) == 7.0
    assert state.events_per_s(NOW + timedelta(seconds=11)) == 4.0
    assert state.events_per_s(NOW + timedelta(seconds=30)) == 0.0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.9, "0 s"), (59, "59 s"), (60, "1:00 min"), (3599, "59:59 min"), (3661, "1:01 h"), (90_000, "1 d")],
)
def test_a_duration_is_short(seconds: float, said: str) -> None:
    assert duration(seconds) == said


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
