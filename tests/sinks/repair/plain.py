"""Windows of metrics by a plain count, and events whose odd properties are read here by hand.

Nothing is shared with the code that is judged: what a property says stands beside its JSON.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tests.metrics.plain_windows import added

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
SIZES = {"minute": MINUTE_MS, "hour": HOUR_MS, "day": DAY_MS}
HOME = "INR"

AMOUNTS: dict[str, int | None] = {
    # In millionths. What is no number, or not a credible one, is no amount.
    "5": 5_000_000,
    "-5": -5_000_000,
    "12.5": 12_500_000,
    "1e3": 1_000_000_000,
    "1.5E+3": 1_500_000_000,
    "0": 0,
    "-0.0": 0,
    "4.35": 4_350_000,
    "0.0000004": 0,
    "0.0000015": 2,
    "2.5e-6": 2,
    "999999999998": 999_999_999_998_000_000,
    "-999999999998.0": -999_999_999_998_000_000,
    "1e12": None,
    "-1e12": None,
    "1000000000000": None,
    "1e308": None,
    "18446744073709551616": None,
    "true": None,
    "false": None,
    "null": None,
    "[]": None,
    "[5]": None,
    '{"amount": 5}': None,
    '"7"': 7_000_000,
    '"+7.25"': 7_250_000,
    '".5"': 500_000,
    '"5."': 5_000_000,
    '"00012"': 12_000_000,
    '"1e3"': 1_000_000_000,
    '"1e-400"': 0,
    '""': None,
    '"."': None,
    '"1_000"': None,
    '"1,000"': None,
    '" 12"': None,
    '"12 "': None,
    '"12\\n"': None,
    '"0x10"': None,
    '"1e"': None,
    '"--1"': None,
    '"1e400"': None,
    '"-1e400"': None,
    '"NaN"': None,
    '"nan"': None,
    '"Infinity"': None,
    '"-inf"': None,
    '"\u0661\u0662"': None,
    '"\u00bd"': None,
    '"true"': None,
    '"twelve"': None,
}

CURRENCIES: dict[str, str] = {
    # "" where none is named: the project's own is meant then.
    '"INR"': "INR",
    '"usd"': "USD",
    '" eur "': "EUR",
    '""': "",
    '"  "': "",
    "null": "",
    "5": "other",
    "true": "other",
    "[]": "other",
    '["INR"]': "other",
    '{"INR": 1}': "other",
    '"rupees"': "other",
    '"us"': "other",
    '"U$D"': "other",
    '"123"': "other",
    '"inr\\n"': "other",
    '"\\tinr"': "other",
    '"\u0131nr"': "other",
    '"\u017f\u017f\u017f"': "other",
    '"\u00a0inr"': "other",
}

COUNTRIES: dict[str, str | None] = {
    '"India"': "India",
    '"\u092d\u093e\u0930\u0924"': "\u092d\u093e\u0930\u0924",
    '" "': " ",
    '"null"': "null",
    '"1"': "1",
    '"$other"': "$other",
    '"' + "x" * 100 + '"': "x" * 100,
    '"' + "\U0001f600" * 100 + '"': "\U0001f600" * 100,
    '"' + "x" * 101 + '"': None,
    '"' + "\U0001f600" * 101 + '"': None,
    '""': None,
    "null": None,
    "5": None,
    "1.5": None,
    "true": None,
    "[]": None,
    '["India"]': None,
    '{"code": "IN"}': None,
}

RATINGS = ("5", "1", "4.5", '"3"', '"2.5"', "0", "6", "5.01", "true", "null", '"x"', "[]", "1e0")
STATUSES = ("200", "500", '"503"', "500.5", "499", "1e3", "5e9", "true", "null", '"5xx"', "-500")
FLAGS = ("true", "false", '"true"', "1", "null")
RESULTS = ('"blocked"', '"allowed"', '"Blocked"', "null", '["blocked"]')
JUDGED = ("api_request", "event_reviewed", "feedback_submitted", "geo_access_checked", "event_cancelled")
"""Events of which the catalogue's ratios and means depend on what they say."""

USUAL = ("page_view", "event_viewed", "something of the client's own", "no\u00ebl \U0001f384")
SIGNS = {"ticket_purchased": 1, "payment_refunded": -1}
SYSTEM = ("api_request", "system_metric", "error_logged")


class Happened(NamedTuple):
    """An event, and what is to be read in it; ``at`` is epoch ms, ``amount`` and ``sentiment`` millionths.

    ``named`` is the currency's code, ``""`` for none.
    """

    project: str
    event: str
    distinct_id: str
    at: int
    properties: str = "{}"
    amount: int | None = None
    named: str = ""
    country: str | None = None
    sentiment: int | None = None


class Series(NamedTuple):
    """One series of one window; ``start`` is epoch ms."""

    project: str
    metric: str
    dimension: str
    value: str
    grain: str
    start: int


class Numbers(NamedTuple):
    """What a window says; sum, least and greatest in millionths."""

    number: int
    sum: int | None = None
    min: int | None = None
    max: int | None = None


def quiet_day() -> int:
    """Midnight (epoch ms) of the 14th of the last month: kept, and the days around are of one month."""
    now = datetime.now(UTC)
    day = (now.replace(day=1) - timedelta(days=1)).replace(day=14, hour=0, minute=0, second=0, microsecond=0)
    return int(day.timestamp()) * 1000


def some_events(seed: int, moments: Sequence[int], projects: Sequence[str], number: int) -> list[Happened]:
    """Events of few users with odd properties, each within the three minutes around one of the moments."""
    draw = random.Random(seed)
    return [_one(draw, moments, projects) for _ in range(number)]


def windows_of(events: Iterable[Happened], grains: Sequence[str] = tuple(SIZES)) -> dict[Series, Numbers]:
    """Every window that counts something."""
    counts: dict[Series, int] = {}
    users: dict[Series, set[str]] = {}
    values: dict[Series, list[int]] = {}
    ratios: dict[Series, tuple[int, int]] = {}
    for event in events:
        for grain in grains:
            start = event.at // SIZES[grain] * SIZES[grain]

            def series(
                metric: str, dimension: str, value: str, at: tuple[str, int] = (grain, start)
            ) -> Series:
                return Series(event.project, metric, dimension, value, *at)  # noqa: B023 (called at once)

            usual = [("", ""), ("event", event.event)]
            if event.country is not None:
                usual.append(("country", event.country))
            for one in added(event.event, json.loads(event.properties), event.sentiment):
                for of in usual[:1] + usual[2:]:
                    if one.measured:
                        values.setdefault(series(one.metric, *of), []).append(one.sum)
                    else:
                        number, total = ratios.get(series(one.metric, *of), (0, 0))
                        ratios[series(one.metric, *of)] = number + one.number, total + one.sum
            for of in usual:
                counts[series("events", *of)] = counts.get(series("events", *of), 0) + 1
                if event.event not in SYSTEM:
                    users.setdefault(series("active_users", *of), set()).add(event.distinct_id)
                if event.sentiment is not None:
                    values.setdefault(series("sentiment", *of), []).append(event.sentiment)
            if event.amount is not None and event.event in SIGNS:
                moved, code = SIGNS[event.event] * event.amount, event.named or HOME
                for of in [("currency", code), *(usual if code == HOME else [])]:
                    values.setdefault(series("revenue", *of), []).append(moved)
    return {
        **{at: Numbers(number) for at, number in counts.items()},
        **{at: Numbers(len(found)) for at, found in users.items()},
        **{at: Numbers(len(found), sum(found), min(found), max(found)) for at, found in values.items()},
        **{at: Numbers(number, total) for at, (number, total) in ratios.items()},
    }


def _one(draw: random.Random, moments: Sequence[int], projects: Sequence[str]) -> Happened:
    properties: list[str] = []
    amount: int | None = None
    named, country = "", None
    if draw.random() < 0.6:
        text, amount = draw.choice(list(AMOUNTS.items()))
        properties.append(f'"amount": {text}')
    if draw.random() < 0.6:
        text, named = draw.choice(list(CURRENCIES.items()))
        properties.append(f'"currency": {text}')
    if draw.random() < 0.6:
        text, country = draw.choice(list(COUNTRIES.items()))
        properties.append(f'"country": {text}')
    if draw.random() < 0.8:
        properties.append(f'"rating": {draw.choice(RATINGS)}')
        properties.append(f'"status": {draw.choice(STATUSES)}')
        properties.append(f'"duration_ms": {draw.choice(["12.5", "0", "1e13", "300"])}')
        properties.append(f'"bypass": {draw.choice(FLAGS)}, "access_result": {draw.choice(RESULTS)}')
        properties.append(f'"by": {draw.choice(["null", chr(34) + "host" + chr(34)])}')
    properties.append(f'"nested": {{"amount": 1, "country": "x"}}, "n": {draw.randrange(10)}')
    draw.shuffle(properties)
    return Happened(
        project=draw.choice(projects),
        event=draw.choice([*USUAL, *SYSTEM, *JUDGED, *JUDGED, *SIGNS, *SIGNS, *SIGNS]),
        distinct_id=f"u{draw.randrange(6)}",
        at=draw.choice(moments) + draw.choice([-MINUTE_MS, -1, 0, 1, draw.randrange(2 * MINUTE_MS)]),
        properties="{" + ", ".join(properties) + "}",
        amount=amount,
        named=named,
        country=country,
        # Four decimals, as the scorer gives them.
        sentiment=draw.randrange(-10_000, 10_001) * 100 if draw.random() < 0.4 else None,
    )
