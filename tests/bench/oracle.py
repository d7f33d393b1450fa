"""What every system must find: batch computations over the published file, which share no code with them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

TENTH_MINUTE_MS = 10_000
MINUTE_MS = 60_000
PURCHASES = {"payment_succeeded", "ticket_purchased", "payment_refunded"}

PurchaseWindows = dict[tuple[str, int], tuple[int, float, int]]
"""By event name and window start (epoch ms): count, sum of amounts, distinct users."""


class Whole(NamedTuple):
    """J2: stored rows by event (count, distinct users, sum of amounts, sum of sentiments), and windows.

    Windows are by dimension (``event`` or ``country``), value and minute: count, revenue, how many were
    scored, the sum of their sentiments, distinct users.
    """

    rows: dict[str, tuple[int, int, float, float]]
    windows: dict[tuple[str, str, int], tuple[int, float, int, float, int]]


def names(path: Path) -> dict[str, int]:
    """J0: how many events of each name."""
    return dict(Counter(event["event"] for event in _events(path)))


def purchases(path: Path) -> PurchaseWindows:
    """J1: the windows of 10 s of the filtered events."""
    counts: Counter[tuple[str, int]] = Counter()
    sums: Counter[tuple[str, int]] = Counter()
    users: dict[tuple[str, int], set[str]] = {}
    for event in _events(path):
        if event["event"] in PURCHASES:
            window = event["event"], event["timestamp"] // TENTH_MINUTE_MS * TENTH_MINUTE_MS
            counts[window] += 1
            sums[window] += event["properties"]["amount"]
            users.setdefault(window, set()).add(event["distinct_id"])
    return {window: (counts[window], sums[window], len(users[window])) for window in counts}


def whole(path: Path) -> Whole:
    """J2: rows and windows of the valid events."""
    rows: dict[str, list[Any]] = {}
    windows: dict[tuple[str, str, int], list[Any]] = {}
    for event in _events(path):
        if event["distinct_id"] == "null":
            continue
        name, properties = event["event"], event["properties"]
        mood = _sentiment(properties["text"]) if "text" in properties else None
        amount = properties.get("amount", 0.0)
        row = rows.setdefault(name, [0, set(), 0.0, 0.0])
        row[0] += 1
        row[1].add(event["distinct_id"])
        row[2] += amount
        row[3] += mood or 0.0
        minute = event["timestamp"] // MINUTE_MS * MINUTE_MS
        revenue = {"ticket_purchased": amount, "payment_refunded": -amount}.get(name, 0.0)
        for window in (("event", name, minute), ("country", properties["country"], minute)):
            cell = windows.setdefault(window, [0, 0.0, 0, 0.0, set()])
            cell[0] += 1
            cell[1] += revenue
            if mood is not None:
                cell[2] += 1
                cell[3] += mood
            cell[4].add(event["distinct_id"])
    return Whole(
        {name: (n, len(users), amount, mood) for name, (n, users, amount, mood) in rows.items()},
        {
            at: (n, revenue, scored, mood, len(users))
            for at, (n, revenue, scored, mood, users) in windows.items()
        },
    )


@cache
def _analyzer() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()


@cache
def _sentiment(text: str) -> float:
    return float(_analyzer().polarity_scores(text)["compound"])


def _events(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            yield json.loads(line.partition(b"\t")[2])
