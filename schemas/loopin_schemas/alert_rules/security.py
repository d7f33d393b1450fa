"""Who tries to get in, and what leaves: rules on single users, addresses and accounts."""

from __future__ import annotations

from typing import Final

from loopin_schemas.alert_rule import AlertRule, Threshold
from loopin_schemas.alert_rules.rule import BuiltIn, Case
from loopin_schemas.scores.impossible_travel import SPEED_LIMIT_KMH

LOGIN_FAILURES_OF_ONE_USER: Final = "login_failures_of_one_user"
"""Events ``login_failed`` that tried one name, or came from one person where they do not say which name."""

LOGIN_FAILURES_OF_ONE_ADDRESS: Final = "login_failures_of_one_address"
"""Events ``login_failed`` from one address, as the settings let it be stored: whole, or its network."""

COUNTRIES_OF_ONE_USER: Final = "countries_of_one_user"
"""Distinct countries that one person's events came from."""

TRAVEL_SPEED_OF_ONE_USER: Final = "travel_speed_of_one_user"
"""The highest speed, km/h, at which one person must have moved from one event to the next."""

REFUSED_REQUESTS_OF_ONE_USER: Final = "refused_requests_of_one_user"
"""Events ``api_request`` of one person that were answered with 401 or 403."""

EXPORTS_OF_ONE_USER: Final = "exports_of_one_user"
"""One person's exports: events ``data_exported``, and requests answered on a route that says ``export``."""

EXPORTS_AGAINST_MEDIAN: Final = "exports_against_median"
"""One person's exports over the median of this person's hours with exports in the 30 days before."""

DIMENSION_OF: Final = {
    LOGIN_FAILURES_OF_ONE_USER: "user",
    LOGIN_FAILURES_OF_ONE_ADDRESS: "ip",
    COUNTRIES_OF_ONE_USER: "user",
    TRAVEL_SPEED_OF_ONE_USER: "user",
    REFUSED_REQUESTS_OF_ONE_USER: "user",
    EXPORTS_OF_ONE_USER: "user",
    EXPORTS_AGAINST_MEDIAN: "user",
}
"""What each metric is by; it is told in no other way."""


def _built_in(
    metric: str, warning: float, critical: float, minutes: int, description: str, at_least: int = 0
) -> BuiltIn:
    cases = [
        Case(value=warning, says="warning"),
        Case(value=critical, says="critical"),
        Case(value=warning - 1, says=None),
    ]
    if at_least:
        cases.append(Case(value=critical, count=at_least - 1, says=None))
    return BuiltIn(
        rule=AlertRule(
            project="",
            name=metric,
            metric=metric,
            condition=Threshold(warning=warning, critical=critical),
            spans=(minutes,),
            by=DIMENSION_OF[metric],
            at_least=at_least,
            description=description,
            labels={"owner": "security"},
        ),
        cases=tuple(cases),
    )


SECURITY: Final[tuple[BuiltIn, ...]] = (
    _built_in(
        LOGIN_FAILURES_OF_ONE_USER,
        warning=10,
        critical=50,
        minutes=5,
        description="Somebody guesses a password: lock the account for a while, and tell its owner.",
    ),
    _built_in(
        LOGIN_FAILURES_OF_ONE_ADDRESS,
        warning=10,
        critical=100,
        minutes=5,
        description="One address tries many passwords: slow it down or block it at the edge.",
    ),
    _built_in(
        COUNTRIES_OF_ONE_USER,
        warning=3,
        critical=5,
        minutes=60,
        description="One account is used from many countries: end its sessions, ask for a new password.",
    ),
    _built_in(
        TRAVEL_SPEED_OF_ONE_USER,
        warning=SPEED_LIMIT_KMH,
        critical=5 * SPEED_LIMIT_KMH,
        minutes=60,
        description="Impossible travel: one account, places too far apart (km/h); end its sessions.",
    ),
    _built_in(
        REFUSED_REQUESTS_OF_ONE_USER,
        warning=50,
        critical=500,
        minutes=15,
        description="A client asks for what it may not: see whether its key is old or stolen, and revoke it.",
    ),
    _built_in(
        EXPORTS_OF_ONE_USER,
        warning=20,
        critical=100,
        minutes=60,
        description="One user takes out much data: ask what for, and revoke access where nobody knows.",
    ),
    _built_in(
        EXPORTS_AGAINST_MEDIAN,
        warning=10,
        critical=50,
        minutes=60,
        at_least=10,
        description="One user takes out far more data than ever: ask what for, before it goes on.",
    ),
)
