"""Profiles and windows by a plain computation over all events at once, which shares no code with ours."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, NamedTuple

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from tests.metrics.plain_windows import Added, added, is_bot

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
GRAINS = {"minute": (MINUTE, HOUR), "hour": (HOUR, 6 * HOUR), "day": (DAY, 48 * HOUR)}
"""Length of a window, and how long after its end it is still in memory."""

ALLOWED_LATENESS = MINUTE
MOST_REVENUE = 2**62
HOME = "INR"
SIGNS = {"ticket_purchased": 1, "payment_refunded": -1}
SYSTEM = {"api_request", "system_metric", "error_logged"}


class Happened(NamedTuple):
    """An event that passed; times are epoch ms, and ``watermark`` is the one that it was judged by."""

    project: str
    user: str
    event: str
    at: int
    received: int
    properties: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    watermark: int | None = None


class Profile(NamedTuple):
    """What must be known of a user; ``active_days`` are days since 1970, revenue is in millionths."""

    first_seen: int
    last_seen: int
    events: int
    session: tuple[int, int, int]
    sessions: int
    revenue: dict[str, int]
    active_days: frozenset[int]


class Series(NamedTuple):
    """One series of one window; ``start`` is epoch ms."""

    project: str
    grain: str
    start: int
    metric: str
    dimension: str = ""
    value: str = ""


class Numbers(NamedTuple):
    """What a window says of a series; ``sum``, ``least`` and ``greatest`` are millionths."""

    number: int
    sum: int | None = None
    least: int | None = None
    greatest: int | None = None


Shares = dict[Series, Numbers]


def profiles(events: Iterable[Happened]) -> dict[str, Profile]:
    """By record key, of the events of one partition in the order of the log."""
    by_user: dict[str, list[Happened]] = {}
    for event in events:
        by_user.setdefault(f"{event.project}:{event.user}", []).append(event)
    return {user: _profile(of_user) for user, of_user in by_user.items()}


def profile_in(record: dict[str, Any]) -> Profile:
    """What a record on ``profiles`` says."""
    days = int.from_bytes(base64.b64decode(record["active_days"]), "big")
    newest = record["active_day"]
    started, last, events, *_ = record["session"]
    return Profile(
        first_seen=record["first_seen"],
        last_seen=record["last_seen"],
        events=record["events"],
        session=(started, last, events),
        sessions=record.get("sessions", 1),
        revenue=record.get("revenue", {}),
        active_days=frozenset(newest - bit for bit in range(days.bit_length()) if days >> bit & 1),
    )


def _profile(events: Sequence[Happened]) -> Profile:
    times = [event.at for event in events]
    days = {at // DAY for at in times}
    session, sessions = _sessions(times)
    return Profile(
        first_seen=min(times),
        last_seen=max(times),
        events=len(times),
        session=session,
        sessions=sessions,
        revenue=_revenue(events),
        active_days=frozenset(day for day in days if max(days) - day < 128),
    )


def _sessions(times: Sequence[int]) -> tuple[tuple[int, int, int], int]:
    started = last = times[0]
    events = sessions = 1
    for at in times[1:]:
        near = started - 30 * MINUTE <= at <= last + 30 * MINUTE
        if near and max(last, at) - min(started, at) <= 24 * HOUR:
            started, last, events = min(started, at), max(last, at), events + 1
        elif at > last:
            started = last = at
            events, sessions = 1, sessions + 1
    return (started, last, events), sessions


def _revenue(events: Iterable[Happened]) -> dict[str, int]:
    found: dict[str, int] = {}
    for event in events:
        moved = _moved(event)
        if moved is not None:
            total = found.get(_currency(event), 0) + moved
            found[_currency(event)] = max(-MOST_REVENUE, min(MOST_REVENUE, total))
    return found


def _moved(event: Happened) -> int | None:
    """Signed millionths."""
    written = event.properties.get("amount")
    if event.event not in SIGNS or isinstance(written, bool) or not isinstance(written, int | float | str):
        return None
    if not set(str(written)) <= set("0123456789+-.eE"):
        return None
    try:
        amount = Decimal(str(written))
    except InvalidOperation:
        return None
    if abs(amount) >= 10**12:
        return None
    return SIGNS[event.event] * int((amount * 1_000_000).to_integral_value())


def _currency(event: Happened) -> str:
    named = event.properties.get("currency")
    if named is None or (isinstance(named, str) and not named.strip(" ")):
        return ""
    code = str(named).strip(" ")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    return code.upper() if len(code) == 3 and all(letter in letters for letter in code) else "other"


def shares(events: Iterable[Happened]) -> Shares:
    """Every window of one partition, with the events that were in time for it."""
    counted: dict[Series, int] = {}
    users: dict[Series, set[str]] = {}
    values: dict[Series, list[int]] = {}
    ratios: dict[Series, tuple[int, int]] = {}
    for event in events:
        if is_bot(event.properties):
            continue
        for one, series in _added(event):
            if one.measured:
                values.setdefault(series, []).append(one.sum)
            else:
                number, total = ratios.get(series, (0, 0))
                ratios[series] = number + one.number, total + one.sum
        for series in _series(event, "events"):
            counted[series] = counted.get(series, 0) + 1
        if event.event not in SYSTEM:
            for series in _series(event, "active_users"):
                users.setdefault(series, set()).add(event.user)
        for series, value in _measured(event):
            values.setdefault(series, []).append(value)
    return {
        **{series: Numbers(count) for series, count in counted.items()},
        **{series: Numbers(len(found)) for series, found in users.items()},
        **{series: Numbers(len(v), sum(v), min(v), max(v)) for series, v in values.items()},
        **{series: Numbers(number, total) for series, (number, total) in ratios.items()},
    }


def _added(event: Happened) -> Iterator[tuple[Added, Series]]:
    text = event.properties.get("review")
    sentiment = _compound(text) if isinstance(text, str) and text.strip() else None
    for one in added(event.event, event.properties, sentiment):
        for series in _series(event, one.metric):
            if series.dimension != "event":
                yield one, series


def _measured(event: Happened) -> Iterator[tuple[Series, int]]:
    moved = _moved(event)
    if moved is not None:
        named = _currency(event) or HOME
        if named == HOME:
            for series in _series(event, "revenue"):
                yield series, moved
        for whole in _windows(event, "revenue"):
            yield whole._replace(dimension="currency", value=named), moved
    text = event.properties.get("review")
    if isinstance(text, str) and text.strip():
        for series in _series(event, "sentiment"):
            yield series, _compound(text)


def _series(event: Happened, metric: str) -> Iterator[Series]:
    country = event.properties.get("country") or event.properties.get("$geoip_country_code")
    for whole in _windows(event, metric):
        yield whole
        yield whole._replace(dimension="event", value=event.event)
        if isinstance(country, str) and 0 < len(country) <= 100:
            yield whole._replace(dimension="country", value=country)


def _windows(event: Happened, metric: str) -> Iterator[Series]:
    for grain, (size, _) in GRAINS.items():
        if not gone(grain, event.at, judged_at(event)):
            yield Series(event.project, grain, event.at - event.at % size, metric)


def judged_at(event: Happened) -> int:
    """The moment that decides which windows the event is in time for: the watermark, or its own arrival."""
    arrived = event.received - ALLOWED_LATENESS
    return arrived if event.watermark is None else max(arrived, event.watermark)


def gone(grain: str, at: int, now: int) -> bool:
    """Whether the window of a moment has left memory."""
    size, kept = GRAINS[grain]
    return at - at % size + size + kept <= now


def longest_missed(event: Happened) -> str | None:
    """The longest window that an event comes too late for."""
    now = judged_at(event)
    return next((grain for grain in ("day", "hour", "minute") if gone(grain, event.at, now)), None)


def moved_on(watermark: int | None, events: Iterable[Happened], appended: Iterable[int] = ()) -> int | None:
    """The watermark after a batch of events that passed, or of records appended then of which none did."""
    # What arrives more than an hour after its minute is late for it, wherever the watermark is.
    hour = 3_600_000
    seen = [max(min(event.at, event.received), event.received - hour) - ALLOWED_LATENESS for event in events]
    seen += [at - ALLOWED_LATENESS for at in appended]
    known = [watermark] if watermark is not None else []
    return max(known + seen, default=None)


class Arrived(NamedTuple):
    """A record of the log: whose it is, its append time, and why it was refused, if it was."""

    project: str
    received: int
    refused: str | None = None


def operations(records: Iterable[Arrived]) -> Shares:
    """Every window of what was received and what was refused."""
    found: dict[Series, int] = {}
    for record in records:
        about = [("records_received", "", "")]
        if record.refused is not None:
            about += [("records_rejected", "", ""), ("records_rejected", "reason", record.refused)]
        for grain, (size, _) in GRAINS.items():
            for metric, dimension, value in about:
                start = record.received - record.received % size
                series = Series(record.project, grain, start, metric, dimension, value)
                found[series] = found.get(series, 0) + 1
    return {series: Numbers(count) for series, count in found.items()}


def shares_in(windows: Iterable[dict[str, Any]]) -> Iterator[tuple[Series, Numbers]]:
    """What the windows of a record on ``windows`` say."""
    for window in windows:
        for metric, dimension, value, *numbers in window["cells"]:
            series = Series(window["project"], window["grain"], window["start"], metric, dimension, value)
            yield series, Numbers(*numbers)


def added_up(parts: Iterable[Shares]) -> Shares:
    """The sum over all partitions."""
    found: dict[Series, list[Numbers]] = {}
    for part in parts:
        for series, numbers in part.items():
            found.setdefault(series, []).append(numbers)
    return {series: _total(numbers) for series, numbers in found.items()}


def _total(parts: Sequence[Numbers]) -> Numbers:
    return Numbers(
        sum(part.number for part in parts),
        _over(sum, [part.sum for part in parts]),
        _over(min, [part.least for part in parts]),
        _over(max, [part.greatest for part in parts]),
    )


def _over(combine: Callable[[list[int]], int], values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return combine(known) if known else None


@cache
def _analyzer() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()


@cache
def _compound(text: str) -> int:
    return round(float(_analyzer().polarity_scores(text)["compound"]) * 1_000_000)
