"""What must be stored, by a plain reading of the raw log.

Nothing here is shared with the code that is judged: JSON by the standard library, decimal amounts, sets of
users, and VADER straight from its own package.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from tests.faults.load import partition_of
from tests.faults.poison import Refused
from tests.metrics.plain_windows import Added, added

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
GRAINS = {"minute": MINUTE_MS, "hour": HOUR_MS, "day": DAY_MS}

HELD_MS = {"minute": HOUR_MS, "hour": 6 * HOUR_MS, "day": 2 * DAY_MS}
"""How long after its end a stream still corrects a window."""

CLOCK_ERROR_MS = MINUTE_MS
FUTURE_MS = 23 * HOUR_MS
DISTANCE_MS = 1827 * DAY_MS
IDLE_MS = 30 * MINUTE_MS
SESSION_MS = 24 * HOUR_MS
ACTIVE_DAYS = 128
MILLION = 1_000_000
AMOUNT_LIMIT = 10**12 * MILLION
COUNTRY_LENGTH = 100
SIGNS = {"ticket_purchased": 1, "payment_refunded": -1}
SYSTEM_EVENTS = frozenset({"api_request", "system_metric", "error_logged"})
EARLIER_SESSIONS = 2
PRIVATE = {"message_sent": {"text"}}
"""Properties that are scored, but only their length is stored."""

LATENESS_MS = MINUTE_MS
LABEL_FROM = 50_000
"""Compound (millionths) from which a text is positive; as far below zero it is negative (VADER's README)."""

TEXTS = ("text", "message", "review", "comment", "feedback", "title", "description")


class RawRecord(NamedTuple):
    """One record of ``events.raw`` as the broker holds it; times are epoch ms."""

    partition: int
    offset: int
    appended_ms: int
    body: bytes


Place = tuple[int, int]
"""Partition and offset on ``events.raw``."""


class StoredEvent(NamedTuple):
    """What a row of an event must say; ``uuid`` is None where the client sent none.

    ``session_id`` is :func:`derived_session` where the client named none, ``properties`` are JSON with sorted
    names, ``sentiment`` is in millionths.
    """

    project: str
    uuid: str | None
    event: str
    distinct_id: str
    timestamp_ms: int
    received_ms: int
    session_id: str
    properties: str
    sentiment: int | None
    label: str


@dataclass
class UserProfile:
    """What must be known of a user; ``active_days`` are days since 1970, revenue is in millionths."""

    first_seen: int
    last_seen: int
    events: int
    session: tuple[int, int, int]
    sessions: int
    revenue: dict[str, int]
    active_days: frozenset[int]


class WindowKey(NamedTuple):
    """One window of one series; ``start`` is epoch ms."""

    project: str
    metric: str
    dimension: str
    value: str
    grain: str
    start: int


class Measures(NamedTuple):
    """A window's numbers, sums in millionths; ``closed`` says that every partition is known to be past it.

    ``basis`` says whom users are, where they are counted.
    """

    count: int  # type: ignore[assignment]  # the field is meant, not the method of tuples
    sum: int | None = None
    min: int | None = None
    max: int | None = None
    closed: bool = False
    basis: str = "distinct_ids"


class Good(NamedTuple):
    """An event that counts, with its own fields decoded."""

    place: Place
    row: StoredEvent
    properties: dict[str, Any]


@dataclass
class Expected:
    """All that must be found once the system is quiet.

    ``good`` are the events in the order of the log. ``watermark`` (epoch ms) is the least one that the
    records alone give, None where a partition has none.
    """

    good: list[Good] = field(default_factory=list)
    watermark: int | None = None
    events: dict[Place, StoredEvent] = field(default_factory=dict)
    dead: set[Place] = field(default_factory=set)
    repeated: int = 0
    profiles: dict[tuple[str, str], UserProfile] = field(default_factory=dict)
    windows: dict[WindowKey, Measures] = field(default_factory=dict)


def expected(
    raw: Iterable[RawRecord], poison: Mapping[bytes, Refused], *, partitions: int = 1, currency: str = "INR"
) -> Expected:
    """What the log ``raw`` (each partition in the order of offsets) must lead to.

    ``poison`` says why each body that was broken on purpose is refused, ``currency`` is the installation's.
    """
    out = Expected()
    operations: Counter[WindowKey] = Counter()
    log = list(raw)
    good = out.good = _in_sessions(list(_counting(log, poison, partitions, out, operations)))
    out.watermark = _watermark(log, good, partitions)
    out.events = {event.place: event.row for event in good}
    out.profiles = _profiles(good)
    windows = {key: Measures(count) for key, count in operations.items()} | _windows(good, currency)
    out.windows = _closed(windows, out.watermark)
    return out


def _counting(
    raw: Iterable[RawRecord],
    poison: Mapping[bytes, Refused],
    partitions: int,
    out: Expected,
    operations: Counter[WindowKey],
) -> Iterator[Good]:
    """The first event of each uuid, among those that are good; the others are noted in ``out``.

    Every record is counted in ``operations``, by the windows of its append time.
    """
    known: set[tuple[str, str]] = set()
    for record in raw:
        place = record.partition, record.offset
        refused = poison.get(record.body)
        event = json.loads(record.body) if refused is None else {}
        time_ms = event_time(event, record.appended_ms) if refused is None else None
        if time_ms is None:
            refused = refused or Refused(event["project"], "timestamp_out_of_range")
            operations.update(_operations(record, refused.project, refused.reason))
            out.dead.add(place)
            continue
        operations.update(_operations(record, event["project"], None))
        if misplaced(record.partition, event, partitions):
            # It is on the log once more, in its user's partition.
            continue
        uuid = event.get("uuid")
        if uuid is not None and (event["project"], uuid) in known:
            out.repeated += 1
            continue
        if uuid is not None:
            known.add((event["project"], uuid))
        yield Good(place, _row(event, time_ms, record.appended_ms), event.get("properties", {}))


def misplaced(partition: int, event: dict[str, Any], partitions: int) -> bool:
    """Whether an event is in another partition than its user's, of those that there are."""
    return partition < partitions and partition != partition_of(
        f"{event['project']}:{event['distinct_id']}".encode(), partitions
    )


def _row(event: dict[str, Any], time_ms: int, appended_ms: int) -> StoredEvent:
    properties = event.get("properties", {})
    private = PRIVATE.get(event["event"], set())
    compound = _compound(properties)
    return StoredEvent(
        project=event["project"],
        uuid=event.get("uuid"),
        event=event["event"],
        distinct_id=event["distinct_id"],
        timestamp_ms=time_ms,
        received_ms=appended_ms,
        session_id=event.get("session_id", ""),
        properties=canonical(_without(private, properties) | _fingerprint(event["event"], properties)),
        sentiment=compound,
        label=_label(compound),
    )


def _fingerprint(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    """What errors are grouped by; those of the traffic have no stack, and differ by their numbers alone."""
    if name != "error_logged" or not isinstance(properties.get("message"), str):
        return {}
    told = re.sub(r"\d+", "<n>", properties["message"])
    return {"$exception_fingerprint": sha256(f"type \nmessage {told}".encode()).hexdigest()[:32]}


def _without(private: set[str], properties: dict[str, Any]) -> dict[str, Any]:
    """The properties with the length of private texts in their place."""
    if not private & properties.keys():
        return properties
    texts = [text for name in private if isinstance(text := properties.get(name), str)]
    return {name: value for name, value in properties.items() if name not in private} | {
        "$text_length": len("".join(texts))
    }


def derived_session(begun_ms: int) -> str:
    """Stands for the id of the session that is known by this time; whose it is, is not judged here."""
    return f"begun {begun_ms}"


def canonical(properties: dict[str, Any]) -> str:
    """JSON in which equal properties are equal texts."""
    return json.dumps(properties, sort_keys=True)


def _label(compound: int | None) -> str:
    if compound is None:
        return ""
    if abs(compound) < LABEL_FROM:
        return "neutral"
    return "positive" if compound > 0 else "negative"


def _operations(record: RawRecord, project: str, reason: str | None) -> Iterator[WindowKey]:
    """The windows of the stream's metrics about itself that a record counts in."""
    yield from _at(record.appended_ms, project, "records_received", "", "")
    if reason is not None:
        yield from _at(record.appended_ms, project, "records_rejected", "", "")
        yield from _at(record.appended_ms, project, "records_rejected", "reason", reason)


def _watermark(raw: Iterable[RawRecord], good: Iterable[Good], partitions: int) -> int | None:
    """The least watermark that the records alone give; None where a partition has none.

    Where no event of a partition counts, the arrival of the others tells the time. The system's own watermark
    may be further on, because at the log's end it follows the clock.
    """
    events = _newest((e.place[0], min(e.row.timestamp_ms, e.row.received_ms)) for e in good)
    newest = _newest((record.partition, record.appended_ms) for record in raw) | events
    return min(newest.values()) - LATENESS_MS if len(newest) == partitions else None


def _newest(times: Iterable[tuple[int, int]]) -> dict[int, int]:
    """The greatest time of each partition."""
    out: dict[int, int] = {}
    for partition, at in times:
        out[partition] = max(out.get(partition, at), at)
    return out


def _closed(windows: dict[WindowKey, Measures], watermark: int | None) -> dict[WindowKey, Measures]:
    """The windows, with those closed that end at or before the watermark."""
    if watermark is None:
        return windows
    return {
        key: measures._replace(closed=key.start + GRAINS[key.grain] <= watermark)
        for key, measures in windows.items()
    }


def event_time(event: dict[str, Any], appended_ms: int) -> int | None:
    """Corrected event time; None for one that is five years away."""
    if event.get("timestamp") is None:
        return appended_ms
    time_ms = _milliseconds(event["timestamp"])
    if event.get("sent_at") is not None:
        error = appended_ms - _milliseconds(event["sent_at"])
        if abs(error) > DISTANCE_MS:
            return None
        if abs(error) > CLOCK_ERROR_MS:
            time_ms += error
    if abs(time_ms - appended_ms) > DISTANCE_MS:
        return None
    return appended_ms if time_ms - appended_ms > FUTURE_MS else time_ms


def _milliseconds(written: int | str) -> int:
    if isinstance(written, int):
        return written
    since = datetime.fromisoformat(written.replace("Z", "+00:00")) - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * DAY_MS + since.seconds * 1000 + since.microseconds // 1000


def _by_user(good: Iterable[Good]) -> dict[tuple[str, str], list[Good]]:
    """The events of each user, in the order of the log."""
    out: dict[tuple[str, str], list[Good]] = {}
    for event in good:
        out.setdefault((event.row.project, event.row.distinct_id), []).append(event)
    return out


def _in_sessions(good: list[Good]) -> list[Good]:
    """The events with a session each: the one their client named, else that of their user."""
    begun: dict[Place, int] = {}
    for events in _by_user(good).values():
        starts = _sessions([event.row.timestamp_ms for event in events]).begun
        begun.update(zip((event.place for event in events), starts, strict=True))
    return [
        event._replace(
            row=event.row._replace(session_id=event.row.session_id or derived_session(begun[event.place]))
        )
        for event in good
    ]


def _profiles(good: Iterable[Good]) -> dict[tuple[str, str], UserProfile]:
    return {user: _profile(events) for user, events in _by_user(good).items()}


def _profile(events: list[Good]) -> UserProfile:
    """One user's profile, of that user's events in the order of the log."""
    times = [event.row.timestamp_ms for event in events]
    revenue: dict[str, int] = {}
    for event in events:
        amount = _signed_amount(event)
        if amount is not None:
            named = _currency(event.properties)
            revenue[named] = revenue.get(named, 0) + amount
    sessions = _sessions(times)
    days = {time // DAY_MS for time in times}
    return UserProfile(
        first_seen=min(times),
        last_seen=max(times),
        events=len(times),
        session=sessions.last,
        sessions=sessions.total,
        revenue=revenue,
        active_days=frozenset(day for day in days if max(days) - day < ACTIVE_DAYS),
    )


class _Sessions(NamedTuple):
    """A user's sessions: the one that ends last (began, ended, events), how many began, and each event's.

    ``begun`` is the time of the event that arrived first in the event's session.
    """

    last: tuple[int, int, int]
    total: int
    begun: list[int]


@dataclass
class _Session:
    known_by: int
    times: list[int]

    def takes(self, at: int) -> bool:
        """Whether an event belongs to it; if so it is added."""
        first, last = min(self.times), max(self.times)
        if first - IDLE_MS <= at <= last + IDLE_MS and max(last, at) - min(first, at) <= SESSION_MS:
            self.times.append(at)
            return True
        return False


def _sessions(times: list[int]) -> _Sessions:
    """Sessions as docs/enrichment.md has them, of one user's event times in the order of arrival."""
    newest = _Session(times[0], [times[0]])
    earlier: list[_Session] = []
    total, begun = 1, [times[0]]
    for at in times[1:]:
        if newest.takes(at):
            begun.append(newest.known_by)
            continue
        if at > max(newest.times):
            touched = newest
            newest = _Session(at, [at])
            total += 1
            begun.append(at)
        else:
            by_start = sorted(earlier, key=lambda session: -min(session.times))
            touched = next((session for session in by_start if session.takes(at)), None) or _Session(at, [at])
            begun.append(touched.known_by)
        earlier = [*(session for session in earlier if session is not touched), touched][-EARLIER_SESSIONS:]
    return _Sessions((min(newest.times), max(newest.times), len(newest.times)), total, begun)


def _signed_amount(event: Good) -> int | None:
    """What the event adds to revenue, in millionths; None where it says nothing of money."""
    sign = SIGNS.get(event.row.event)
    amount = event.properties.get("amount")
    if sign is None or isinstance(amount, bool) or not isinstance(amount, int | float | str):
        return None
    try:
        number = Decimal(str(amount))
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number * MILLION) >= AMOUNT_LIMIT:
        return None
    return sign * int((number * MILLION).to_integral_value())


def _currency(properties: dict[str, Any]) -> str:
    if properties.get("currency") is None:
        return ""
    named = str(properties["currency"]).strip().upper()
    if not named:
        return ""
    return named if len(named) == 3 and all("A" <= letter <= "Z" for letter in named) else "other"


def active_users(good: Iterable[Good], persons: Mapping[tuple[str, str], str]) -> dict[WindowKey, int]:
    """Users of each window; ``persons`` names the person of a (project, distinct_id) that is not its own."""
    users: dict[WindowKey, set[str]] = {}
    for event in good:
        if event.row.event not in SYSTEM_EVENTS:
            user = event.row.distinct_id
            name = persons.get((event.row.project, user), user)
            for key in _keys(event, "active_users"):
                users.setdefault(key, set()).add(name)
    return {key: len(found) for key, found in users.items()}


def _windows(good: Sequence[Good], currency: str) -> dict[WindowKey, Measures]:
    counts: dict[WindowKey, int] = {}
    values: dict[WindowKey, list[int]] = {}
    ratios: dict[WindowKey, tuple[int, int]] = {}
    for event in good:
        for one, key in _added(event):
            if one.measured:
                values.setdefault(key, []).append(one.sum)
            else:
                number, total = ratios.get(key, (0, 0))
                ratios[key] = number + one.number, total + one.sum
        for key in _keys(event, "events"):
            counts[key] = counts.get(key, 0) + 1
        for key, value in _measured(event, currency):
            values.setdefault(key, []).append(value)
    return {
        **{key: Measures(count) for key, count in counts.items()},
        **{key: Measures(users) for key, users in active_users(good, {}).items()},
        **{key: Measures(len(v), sum(v), min(v), max(v)) for key, v in values.items()},
        **{key: Measures(number, total) for key, (number, total) in ratios.items()},
    }


def _added(event: Good) -> Iterator[tuple[Added, WindowKey]]:
    for one in added(event.row.event, event.properties, _compound(event.properties)):
        for key in _keys(event, one.metric):
            if key.dimension != "event":
                yield one, key


def _measured(event: Good, currency: str) -> Iterator[tuple[WindowKey, int]]:
    amount = _signed_amount(event)
    if amount is not None:
        named = _currency(event.properties)
        if named in ("", currency):
            for key in _keys(event, "revenue"):
                yield key, amount
        # An amount without a currency is meant in the installation's own.
        for key in _series(event, "revenue", "currency", named or currency):
            yield key, amount
    compound = _compound(event.properties)
    if compound is not None:
        for key in _keys(event, "sentiment"):
            yield key, compound


def _keys(event: Good, metric: str) -> Iterator[WindowKey]:
    """The event's windows of a metric: whole, by event, and by country."""
    yield from _series(event, metric, "", "")
    yield from _series(event, metric, "event", event.row.event)
    country = event.properties.get("country")
    if isinstance(country, str) and 0 < len(country) <= COUNTRY_LENGTH:
        yield from _series(event, metric, "country", country)


def _series(event: Good, metric: str, dimension: str, value: str) -> Iterator[WindowKey]:
    return _at(event.row.timestamp_ms, event.row.project, metric, dimension, value)


def _at(time_ms: int, project: str, metric: str, dimension: str, value: str) -> Iterator[WindowKey]:
    for grain, length in GRAINS.items():
        yield WindowKey(project, metric, dimension, value, grain, time_ms - time_ms % length)


def _compound(properties: dict[str, Any]) -> int | None:
    texts = [text for name in TEXTS if isinstance(text := properties.get(name), str) and text.strip()]
    return _scored("\n".join(texts)) if texts else None


@cache
def _analyzer() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()


@cache
def _scored(text: str) -> int:
    """VADER's compound, which has four decimals, in millionths."""
    return round(float(_analyzer().polarity_scores(text)["compound"]) * MILLION)
