"""The season that an anomaly is judged by: hours of the day and weekdays on the project's own clocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from loopin_schemas.alert_rule import AlertRule, Anomaly
from loopin_streams.alerts.history import Histories
from loopin_streams.alerts.rules import Rules
from loopin_streams.projects.project import Projects
from tests.streams.projects.own import configured, own

YORK = ZoneInfo("America/New_York")
RULE = AlertRule(project="shop", name="odd", metric="events", condition=Anomaly(), grain="hour")
ABOUT = ("shop", "odd", "")
BEGIN = datetime(2026, 1, 19, 5, tzinfo=UTC)
MONDAY = datetime(2026, 3, 9, 4, tzinfo=UTC)
"""Clocks of New York were put forward the night before."""


def happened(at: datetime) -> int:
    """In an hour, by the clocks of New York: people come to work from Monday to Friday."""
    there = at.astimezone(YORK)
    return 400 if there.weekday() < 5 and 9 <= there.hour < 17 else 40


def odd_hours(zone: Callable[[str], tzinfo]) -> list[int]:
    """Hours (UTC) of that Monday that are out of the ordinary, after seven weeks like it."""
    histories, found, at = Histories(zone), [], BEGIN
    while at < MONDAY + timedelta(hours=24):
        start, number = round(at.timestamp() * 1000), happened(at)
        history = histories.of(ABOUT, RULE, "count")
        verdict = history.judge(RULE, start, number, number)
        if at >= MONDAY and verdict.severity is not None:
            found.append(at.hour)
        history.learn(start, number, number, fired=verdict.severity is not None)
        at += timedelta(hours=1)
    return found


def test_nothing_is_odd_where_people_come_by_their_own_clocks() -> None:
    configuration = configured(shop={"timezone": "America/New_York"})
    rules = Rules(lambda: configuration, Projects(configuration=lambda: configuration).zone)
    assert odd_hours(rules.zone) == []


def test_by_clocks_of_utc_they_would_come_and_go_an_hour_too_early() -> None:
    assert odd_hours(Rules().zone) == [13, 21]


def test_in_another_zone_it_learns_anew() -> None:
    configuration = configured(shop={"timezone": "America/New_York"})
    histories = Histories(Projects(configuration=lambda: configuration).zone)
    histories.of(ABOUT, RULE, "count").learn(round(BEGIN.timestamp() * 1000), 40, 40, fired=False)
    configuration.apply(own("shop", "2", timezone="Asia/Kolkata"))
    season = histories.of(ABOUT, RULE, "count").stored.season
    assert season is not None
    assert (season.zone, season.last) == ("Asia/Kolkata", None)
