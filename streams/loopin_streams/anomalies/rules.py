"""The named rules on users, in one tuple, with their limits and where these come from."""

from __future__ import annotations

from typing import Final, NamedTuple

from loopin_schemas.anomaly import AnomalyKind
from loopin_schemas.scores.impossible_travel import SPEED_LIMIT_KMH

VERSION: Final = "rules 1"
"""Raised with every change of a rule or a limit; each anomaly names it."""

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000

AGAIN_MS: Final = DAY_MS
"""A kind of anomaly is raised of a user once in so long, ms of event time."""

BURST_LEAST: Final = 30
BURST_TIMES: Final = 5
RETURNS_LEAST: Final = 3
DEVICES_LEAST: Final = 3
FAILURES_LEAST: Final = 4
SILENT_BY_CHANCE: Final = 1 / 5000
SILENT_LEAST_DAYS: Final = 4
SILENT_MOST_DAYS: Final = 30
ACTIVE_LEAST_DAYS: Final = 8
"""Of the 28 days before the silence."""


class Rule(NamedTuple):
    """A named rule.

    Attributes:
        name: kind of the anomalies that it raises.
        when: what has to be so, for a person.
        limit: what the first feature of its anomalies is held against.
        unit: of the limit.
        source: where the limit comes from.
    """

    name: AnomalyKind
    when: str
    limit: float
    unit: str
    source: str


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "impossible_travel",
        "Two events in a row are from places so far apart that nobody travels that fast",
        SPEED_LIMIT_KMH,
        "km/h",
        "Airliners cruise at about 900 km/h; the formula, and how far off a place may be, are those of the "
        "metric impossible_travel",
    ),
    Rule(
        "burst",
        f"So many events within a minute, and {BURST_TIMES} times as many as in the user's usual minute",
        BURST_LEAST,
        "events a minute",
        "One every two seconds, a minute long: faster than pages are read and forms are filled in",
    ),
    Rule(
        "account_sharing",
        f"So often within an hour the account goes back to a device that it had left, and the two are "
        f"farther apart than places may be off, or there are {DEVICES_LEAST} devices",
        RETURNS_LEAST,
        "returns an hour",
        "Who changes to another device comes back once; two people who use them at a time take turns",
    ),
    Rule(
        "sudden_inactivity",
        f"A user who was active on {ACTIVE_LEAST_DAYS} of 28 days is away for {SILENT_LEAST_DAYS} to "
        f"{SILENT_MOST_DAYS} days, and by the slowest of the user's own paces of 14, 28 and 64 days before "
        "chance makes so long a silence less often than this",
        SILENT_BY_CHANCE,
        "probability",
        "(1 - share of active days) to the power of the days away: of those who come evenly, after one visit "
        "in 5,000",
    ),
    Rule(
        "payment_failure_streak",
        "So many payments in a row fail, less than a day between them, and none goes through",
        FAILURES_LEAST,
        "failed payments",
        "One more than the three tries that a card's PIN has (EMV) and checkouts give",
    ),
)
"""All of them."""

LIMITS: Final = {rule.name: rule.limit for rule in RULES}
