"""What a person is used to: the habits of all their distinct_ids, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from loopin_schemas.behaviour import HALF_LIVES
from loopin_schemas.habits import ERA_DAYS, HOURS, WEEKDAYS
from loopin_schemas.scores.engagement_trend import engagement_change
from loopin_sinks.metric_values.scope import EPOCH
from loopin_sinks.persons.habit_rows import COLUMNS, LATELY, USUALLY
from loopin_sinks.persons.profile_rows import PROFILES
from loopin_sinks.store import Store
from loopin_streams.behaviour.engagement import left_over, profile_engagement

_READ: Final = f"""
    SELECT distinct_id, first_seen, last_seen, active_days, {", ".join(column.name for column in COLUMNS)}
    FROM {PROFILES} FINAL
    WHERE project = {{project:String}} AND distinct_id IN {{ids:Array(String)}}
    ORDER BY last_seen, distinct_id
"""


class PriceRange(NamedTuple):
    """Prices in one currency, in its whole units."""

    least: Decimal
    greatest: Decimal
    number: int
    total: Decimal


@dataclass(frozen=True, slots=True)
class Habits:
    """A person as of ``at``; counts of events weigh half for each 28 days, names the most frequent first.

    Attributes:
        at: of when the scores are: the newest event, or a later look at it.
        last_seen: time of the newest event.
        zone: time zone that the newest event named which named one; None where none did.
        hours: events by hour of the day (24).
        weekdays: by weekday from Monday (7).
        actions, event_types, communities: by name.
        bought, viewed: prices by currency.
        payment_failures: in a row, the most of any id.
        sessions: followed since habits are counted; one that went on under another id counts twice.
        session_s: mean length, seconds; None without sessions.
        session_events: events in them, those of the system group, too.
        engagement_score: 0 to 1.
        engagement_change: present pace by the usual one.
        friendly, unfriendly: words and ratings of either kind, counts that fade by half in 25 days.
    """

    at: datetime
    last_seen: datetime
    zone: str | None
    hours: tuple[float, ...]
    weekdays: tuple[float, ...]
    actions: Mapping[str, float]
    event_types: Mapping[str, float]
    communities: Mapping[str, float]
    bought: Mapping[str, PriceRange]
    viewed: Mapping[str, PriceRange]
    payment_failures: int
    sessions: int
    session_s: float | None
    session_events: int
    engagement_score: float
    engagement_change: float
    friendly: float
    unfriendly: float


async def person_habits(
    store: Store, project: str, distinct_ids: Sequence[str], currency: str = ""
) -> Habits | None:
    """Of a person, by all their distinct_ids; None where the store has no profile of any.

    Prices that name no currency are in ``currency``, the project's.

    Raises:
        StoreError: the store did not answer.
    """
    rows = await store.query(_READ, {"project": project, "ids": list(distinct_ids)})
    # One of before habits were kept says nothing until the user's next event, or a rebuild of the state.
    known = [row for row in rows if row["analysed_at"] >= row["last_seen"]]
    return _combined(known, currency) if known else None


def _combined(rows: Sequence[Mapping[str, Any]], currency: str) -> Habits:
    at: datetime = max(row["analysed_at"] for row in rows)
    era = max(_era(row) for row in rows)
    weights = [left_over(era - _era(row)) for row in rows]
    actions = _added(rows, weights, "actions", "action_counts")
    first, day = min(row["first_seen"] for row in rows), _day(at)
    left = left_over(day // ERA_DAYS - era)
    active = {(active - EPOCH).days for row in rows for active in row["active_days"]}
    sessions = sum(row["habit_sessions"] for row in rows)
    events, days = ([_rate(rows, at, name, place) for place in (LATELY, USUALLY)] for name in _PACE)
    return Habits(
        at=at,
        last_seen=max(row["last_seen"] for row in rows),
        zone=next((row["time_zone"] for row in reversed(rows) if row["time_zone"]), None),
        hours=_summed(rows, weights, "hours", HOURS),
        weekdays=_summed(rows, weights, "weekdays", WEEKDAYS),
        actions=actions,
        event_types=_added(rows, weights, "event_types", "event_type_counts"),
        communities=_added(rows, weights, "communities", "community_counts"),
        bought=_prices(rows, "bought", currency),
        viewed=_prices(rows, "viewed", currency),
        payment_failures=max(row["payment_failures"] for row in rows),
        sessions=sessions,
        session_s=sum(row["habit_sessions_ms"] for row in rows) / sessions / 1000 if sessions else None,
        session_events=sum(row["habit_sessions_events"] for row in rows),
        engagement_score=profile_engagement(
            _day(first), day, active, {name: count * left for name, count in actions.items()}
        ),
        # Of several ids that were there on a day each says so.
        engagement_change=engagement_change(*events, *(min(each, 1.0) for each in days)),
        friendly=_felt(rows, at, "friendly"),
        unfriendly=_felt(rows, at, "unfriendly"),
    )


_PACE: Final = ("events_a_day", "days_a_day")
_HALF_LIVES: Final = {LATELY: HALF_LIVES[LATELY], USUALLY: HALF_LIVES[USUALLY]}


def _day(moment: datetime) -> int:
    return (moment.astimezone(UTC).date() - EPOCH).days


def _era(row: Mapping[str, Any]) -> int:
    begun: date = row["habits_from"]
    return (begun - EPOCH).days // ERA_DAYS


def _summed(
    rows: Sequence[Mapping[str, Any]], weights: Sequence[float], name: str, length: int
) -> tuple[float, ...]:
    of = [(row[name] or [0.0] * length, weight) for row, weight in zip(rows, weights, strict=True)]
    return tuple(sum(counts[place] * weight for counts, weight in of) for place in range(length))


def _added(
    rows: Sequence[Mapping[str, Any]], weights: Sequence[float], names: str, counts: str
) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for row, weight in zip(rows, weights, strict=True):
        for name, count in zip(row[names], row[counts], strict=True):
            found[name] = found.get(name, 0.0) + count * weight
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _prices(rows: Sequence[Mapping[str, Any]], kind: str, currency: str) -> Mapping[str, PriceRange]:
    found: dict[str, list[PriceRange]] = {}
    columns = ("price_kinds", "price_currencies", "least_prices", "greatest_prices", "price_numbers")
    for row in rows:
        for of, code, *price in zip(*(row[name] for name in (*columns, "price_totals")), strict=True):
            if of == kind:
                found.setdefault(code or currency, []).append(PriceRange(*price))
    return {
        code: PriceRange(
            min(price.least for price in prices),
            max(price.greatest for price in prices),
            sum(price.number for price in prices),
            sum((price.total for price in prices), Decimal()),
        )
        for code, prices in sorted(found.items())
    }


def _rate(rows: Sequence[Mapping[str, Any]], at: datetime, name: str, place: int) -> float:
    """What ids do a day together at a time: what was known of them earlier has faded since."""
    half_life, number = _HALF_LIVES[place], 0 if place == LATELY else 1
    return float(sum(row[name][number] * _since(row, at, half_life) for row in rows if row[name]))


def _felt(rows: Sequence[Mapping[str, Any]], at: datetime, name: str) -> float:
    return float(sum(row[name] * _since(row, at, _HALF_LIVES[USUALLY]) for row in rows))


def _since(row: Mapping[str, Any], at: datetime, half_life: float) -> float:
    days = _day(at) - _day(row["analysed_at"])
    return float(0.5 ** (days / half_life))
