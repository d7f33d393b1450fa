"""What holds of a project: its own settings, else those of the environment, from the moment they change."""

from __future__ import annotations

from datetime import UTC, date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from loopin_schemas.project import FormerDays
from loopin_streams.kafka.config_state import Configuration
from loopin_streams.projects.project import DAY_MS, Project, Projects, Retention
from loopin_streams.projects.settings import ProjectDefaults
from tests.streams.projects.own import configured, own

NOW_MS = 1_750_000_000_000


def test_without_anything_set_days_are_utc_and_money_rupees() -> None:
    assert ProjectDefaults().project("shop") == Project(
        UTC, "INR", {}, frozenset(), Retention(raw=90, hourly=365, daily=1095)
    )


def test_the_environment_says_what_holds_of_all_projects(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "LOOPIN_PROJECT_TIMEZONE": "Asia/Kolkata",
        "LOOPIN_CURRENCY": "USD",
        "LOOPIN_EXCHANGE_RATES": '{"EUR": {"2026-02-01": 1.2, "2026-01-01": 1.1}}',
        "LOOPIN_INTERNAL_USERS": '["staff"]',
        "ANALYTICS_RETENTION_DAYS": "30",
        "LOOPIN_PROJECT_RETENTION_DAYS": '{"shop": 40}',
        "LOOPIN_HOURLY_RETENTION_DAYS": "100",
        "LOOPIN_DAILY_RETENTION_DAYS": "200",
    }.items():
        monkeypatch.setenv(name, value)
    shop = ProjectDefaults().project("shop")
    assert shop == Project(
        ZoneInfo("Asia/Kolkata"),
        "USD",
        {"EUR": ((date(2026, 1, 1), 1.1), (date(2026, 2, 1), 1.2))},
        frozenset({"staff"}),
        Retention(40, 100, 200),
    )
    assert ProjectDefaults().project("demo").retention == Retention(30, 100, 200)
    monkeypatch.setenv("LOOPIN_RETENTION_DAYS", "50")
    assert ProjectDefaults().project("demo").retention.raw == 50, "our name counts before the documents'"


@pytest.mark.parametrize(
    "given",
    [
        *({"project_timezone": name} for name in ("Mars/Olympus", "", "../etc", "localtime")),
        {"currency": "inr"},
        {"exchange_rates": {"EUR": {"2026-01-01": 0}}},
        {"retention_days": 0},
        {"project_retention_days": {"shop": 70_000}},
        {"daily_retention_days": 4_000},
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ProjectDefaults.model_validate(given)


def test_each_setting_may_be_a_projects_own() -> None:
    default = Project(ZoneInfo("Asia/Kolkata"), "INR", {"EUR": ((date(2026, 1, 1), 98.5),)}, frozenset({"a"}))
    configuration = configured(
        berlin={"timezone": "Europe/Berlin", "currency": "EUR", "internal_users": []},
        kept={"raw_retention_days": 7, "hourly_retention_days": 8, "daily_retention_days": 9},
        rated={"rates": {"USD": {"2026-03-01": 86.0, "2026-02-01": 85.0}}},
    )
    projects = Projects(lambda _: default, lambda: configuration)
    assert projects.of("other") == default
    # What other currencies are worth in rupees says nothing of euros.
    assert projects.of("berlin") == Project(ZoneInfo("Europe/Berlin"), "EUR", {}, frozenset())
    assert projects.of("kept").retention == Retention(7, 8, 9)
    assert projects.of("rated").rates == {"USD": ((date(2026, 2, 1), 85.0), (date(2026, 3, 1), 86.0))}
    assert (projects.of("rated").currency, projects.of("rated").internal) == ("INR", frozenset({"a"}))


def test_a_change_holds_from_the_record_on_also_where_the_topic_is_made_anew() -> None:
    configuration = Configuration()
    held = [configuration]
    projects = Projects(configuration=lambda: held[0])
    assert (projects.zone("shop"), bool(projects.of("shop").internal)) == (UTC, False)
    configuration.apply(own("shop", timezone="Asia/Kolkata"))
    assert (projects.zone("shop"), bool(projects.of("shop").internal)) == (ZoneInfo("Asia/Kolkata"), False)
    configuration.apply(own("shop", "2", internal_users=["asha"]))
    assert (projects.zone("shop"), bool(projects.of("shop").internal)) == (UTC, True)
    held[0] = configured(shop={"timezone": "Asia/Tokyo"}, demo={})
    assert (projects.zone("shop"), bool(projects.of("shop").internal)) == (ZoneInfo("Asia/Tokyo"), False)


@pytest.mark.parametrize(
    "fields",
    [
        {"timezone": "Mars/Olympus"},
        {"currency": "euro"},
        {"rates": {"EUR": {"2026-01-01": -1}}},
        {"rates": {"EUR": {"yesterday": 1}}},
        {"raw_retention_days": 0},
        {"internal_users": [""]},
    ],
)
def test_a_record_that_makes_no_sense_counts_for_nothing(fields: dict[str, Any]) -> None:
    configuration = Configuration()
    assert configuration.apply(own("shop", **fields)) is not None
    assert Projects(configuration=lambda: configuration).of("shop") == Project()


def test_events_stored_while_they_were_kept_for_less_are_missing_later_on() -> None:
    """By hand: kept 30 days, and 365 from day 100 on."""
    project = Project(retention=Retention(365), former_raw=(FormerDays(100 * DAY_MS, 30),))
    found = {day: project.whole_days(day * DAY_MS) for day in (100, 120, 130, 150, 464, 465, 900)}
    # Until day 130 all of the last 30 days are there; what was stored until day 100 has gone by then.
    assert found == {100: 30, 120: 30, 130: 30, 150: 50, 464: 364, 465: 365, 900: 365}
    assert Project(retention=Retention(7)).whole_days(NOW_MS) == 7
