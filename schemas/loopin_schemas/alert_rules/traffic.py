"""What comes in changes: less or more than it should be, or nothing at all."""

from __future__ import annotations

from typing import Final

from loopin_schemas.alert_rule import Absence, AlertRule, Anomaly, Change
from loopin_schemas.alert_rules.rule import BuiltIn, Case

TRAFFIC: Final[tuple[BuiltIn, ...]] = (
    BuiltIn(
        rule=AlertRule(
            project="",
            name="events_absent",
            metric="events",
            condition=Absence(windows=15),
            at_least=600,
            description="No event for 15 minutes, after 40 a minute: see whether clients and API are up.",
        ),
        cases=(
            Case(value=0, count=0, before=600, says="critical"),
            Case(value=1, count=1, before=600, says=None),
            Case(value=0, count=0, before=599, says=None),
        ),
    ),
    BuiltIn(
        rule=AlertRule(
            project="",
            name="registrations_drop",
            metric="new_registrations",
            condition=Change(direction="down", against="week", warning=0.5, critical=0.8),
            grain="day",
            at_least=20,
            description="Half as many registrations as a week ago: see the sign-up page and its sources.",
        ),
        cases=(
            Case(value=50, before=100, says="warning"),
            Case(value=20, before=100, says="critical"),
            Case(value=0, before=100, says="critical"),
            Case(value=51, before=100, says=None),
            Case(value=300, before=100, says=None),
            Case(value=1, before=19, says=None),
        ),
    ),
    BuiltIn(
        rule=AlertRule(
            project="",
            name="events_anomaly",
            metric="events",
            condition=Anomaly(),
            grain="hour",
            description="Far more or fewer events in an hour than this hour of the week has had.",
        ),
        cases=(),
    ),
    BuiltIn(
        rule=AlertRule(
            project="",
            name="revenue_anomaly",
            metric="revenue",
            condition=Anomaly(direction="down"),
            grain="hour",
            at_least=20,
            description="Far less revenue in an hour than this hour of the week has had.",
        ),
        cases=(),
    ),
)
