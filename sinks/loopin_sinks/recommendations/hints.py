"""What went well with others: hints for whoever holds events or publishes content, and their numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Literal

import numpy as np

from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.metric_values.sql import MS
from loopin_sinks.recommendations.platform_events import PRICES, Floats, PlatformEvents
from loopin_sinks.recommendations.recent import RecentQuery
from loopin_sinks.recommendations.shared import Shared
from loopin_sinks.store import Store

Subject = Literal["platform_event", "content"]
Measure = Literal["joins", "views", "interactions_per_view"]

LEAST_ITEMS: Final = 20
"""Fewer items on either side say nothing."""

FAR: Final = 3.5
"""Standard errors from which a difference counts; of chance alone one in 2,000 is so far."""

MOST_CONTENT: Final = 20_000
"""The newest pieces of content that are looked at."""

BAND_H: Final = 4
"""Hours of a day that are taken together."""

_WHICH: Final = {
    "category": "{what} of the category {value}",
    "price": "{value} {what}",
    "city": "{what} in {value}",
    "start_weekday": "{what} that start on a {value}",
    "start_hours": "{what} that start between {hours}",
    "announced": "{what} announced {value} before their start",
    "content_type": "{what} of the type {value}",
    "published_weekday": "{what} published on a {value}",
    "published_hours": "{what} published between {hours}",
}
"""Which items have a value, by attribute."""

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Hint:
    """Items with one value of an attribute did better or worse than all others.

    Attributes:
        subject: which items.
        by: the attribute, such as ``category``.
        value: its value.
        measure: what is compared: people who joined and did not leave, views, or interactions a view, of an
            item.
        mean, others: mean of those with the value, and of all others.
        items, other_items: how many these are.
        errors: how far apart, in standard errors of the difference.
    """

    subject: Subject
    by: str
    value: str
    measure: Measure
    mean: float
    others: float
    items: int
    other_items: int
    errors: float

    @property
    def change(self) -> float | None:
        """Relative difference; None where the others have nothing."""
        return self.mean / self.others - 1 if self.others else None

    @property
    def text(self) -> str:
        """One sentence for a person."""
        measure = self.measure.replace("_per_", " a ")
        return (
            f"{self._which} had {_shown(self.mean)} {measure} on average, all others {_shown(self.others)} "
            f"({self.items:,} and {self.other_items:,} of them)."
        )

    @property
    def _which(self) -> str:
        what = "platform events" if self.subject == "platform_event" else "content"
        said = _WHICH[self.by].format(what=what, value=self.value, hours=self.value.replace("-", " and "))
        return said[:1].upper() + said[1:]


def compared(
    subject: Subject, by: str, measure: Measure, values: Sequence[str], outcomes: Floats
) -> Iterator[Hint]:
    """Values whose items differ from all others by more than chance (Welch's t); ``''`` is no value."""
    names = np.array(values, dtype=np.str_)
    for value in sorted(set(values) - {""}):
        these, rest = outcomes[names == value], outcomes[(names != value) & (names != "")]
        if min(len(these), len(rest)) < LEAST_ITEMS:
            continue
        error = math.sqrt(these.var(ddof=1) / len(these) + rest.var(ddof=1) / len(rest))
        apart = float(these.mean() - rest.mean()) / error if error > 0 else 0.0
        if abs(apart) >= FAR:
            mean, others = float(these.mean()), float(rest.mean())
            yield Hint(subject, by, value, measure, mean, others, len(these), len(rest), apart)


async def hints(shared: Shared, scope: Scope) -> list[Hint]:
    """All there are of the last 90 days, the clearest first. Raises StoreError."""
    events, wanted = await shared.events(scope)
    found = [
        *of_events(events, wanted.takes, epoch_ms(scope.now), scope.zone),
        *await _of_content(shared.store, scope),
    ]
    return sorted(found, key=lambda hint: (-abs(hint.errors), hint.subject, hint.by, hint.value))


def of_events(events: PlatformEvents, joins: Floats, at: int, zone: tzinfo) -> Iterator[Hint]:
    """Of platform events that nobody can join any more, by how many joined."""
    over = np.ones(len(events), dtype=np.bool_)
    over[events.open_at(at)] = False
    known = [events.all[number] for number in np.flatnonzero(over)]
    outcomes = joins[over]
    starts = [None if event.starts is None else _local(event.starts, zone) for event in known]
    attributes = {
        "category": [event.category for event in known],
        "price": [PRICES[number] for number in events.prices[over]],
        "city": [event.city for event in known],
        "start_weekday": [_DAYS[start.weekday()] if start else "" for start in starts],
        "start_hours": [_band(start) if start else "" for start in starts],
        "announced": [_ahead(event.created, event.starts) for event in known],
    }
    for by, values in attributes.items():
        yield from compared("platform_event", by, "joins", values, outcomes)


async def _of_content(store: Store, scope: Scope) -> list[Hint]:
    query = RecentQuery(scope)
    views = "countIf(event = 'content_viewed')"
    reactions = ("content_liked", "content_commented", "content_shared")
    rows = await query.rows(
        store,
        f"""
        SELECT toString(content_type) AS kind,
            minIf({MS}, event = 'content_created') AS created, {views} AS views,
            countIf(event IN {query.bind(list(reactions), "Array(String)")}) AS reactions
        FROM {query.recent(("content_created", "content_viewed", *reactions))} AND object_id != ''
        GROUP BY content_type, object_id HAVING countIf(event = 'content_created') > 0
        ORDER BY created DESC LIMIT {query.bind(MOST_CONTENT, "UInt64")}
        """,
    )
    kinds = [row["kind"] for row in rows]
    times = [_local(row["created"], scope.zone) for row in rows]
    seen = np.array([row["views"] for row in rows], dtype=np.float64)
    reacted = np.array([row["reactions"] for row in rows], dtype=np.float64)
    return list(of_content(kinds, times, seen, reacted))


def of_content(
    kinds: Sequence[str], times: Sequence[datetime], views: Floats, reactions: Floats
) -> Iterator[Hint]:
    """Of pieces of content, by how often each was seen, and how often it was reacted to when it was."""
    attributes = {
        "content_type": list(kinds),
        "published_weekday": [_DAYS[time.weekday()] for time in times],
        "published_hours": [_band(time) for time in times],
    }
    known = views > 0
    rates = reactions[known] / views[known]
    for by, values in attributes.items():
        yield from compared("content", by, "views", values, views)
        read = [value for value, seen in zip(values, known, strict=True) if seen]
        yield from compared("content", by, "interactions_per_view", read, rates)


def _local(at: int, zone: tzinfo) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).astimezone(zone)


def _shown(mean: float) -> str:
    return f"{mean:,.0f}" if mean >= 100 else f"{mean:.3g}"


def _band(time: datetime) -> str:
    first = time.hour // BAND_H * BAND_H
    return f"{first:02}:00-{first + BAND_H:02}:00"


def _ahead(created: int, starts: int | None) -> str:
    """How long before its start an event was made known."""
    if starts is None:
        return ""
    days = (starts - created) / 86_400_000
    return "under 7 days" if days < 7 else "7 to 14 days" if days < 14 else "14 days or more"
