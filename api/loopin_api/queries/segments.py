"""Users by what is predicted of them, put together from the newest profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any, Final, NamedTuple

from loopin_api.predictions.segment_rules import SEGMENTS, TOP_SHARE, Segment
from loopin_api.queries.overview import largest
from loopin_sinks.metric_values.money import rate
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.persons.mapping import PERSON_OF_ID
from loopin_sinks.persons.personas import PERSONA_OF_PERSON
from loopin_sinks.persons.profile_rows import PROFILES
from loopin_sinks.scores.read import LINKED, NAME
from loopin_sinks.store import Store
from loopin_streams.learning.targets import CHURN, CONVERSION


def _chance(target: str) -> str:
    """In SQL, of a profile the probability of a target; NULL for none."""
    return f"if(has(score_targets, '{target}'), score_chances[indexOf(score_targets, '{target}')], NULL)"


_KNOWN: Final = f"""
    SELECT distinct_id, last_seen, {_chance(CHURN.name)} AS churn, {_chance(CONVERSION.name)} AS conversion,
        arraySum(arrayMap(
            (code, amount) -> toFloat64(amount)
                * transform(code, {{codes:Array(String)}}, {{rates:Array(Float64)}}, toFloat64(0)),
            currencies, revenues)) AS spent,
        arrayExists((kind, most) -> kind = 'bought' AND most > 0, price_kinds, greatest_prices)
            OR arrayExists(amount -> amount > 0, revenues) AS bought,
        (arrayFilter(code -> NOT has({{codes:Array(String)}}, code), currencies),
            arrayFilter((amount, code) -> NOT has({{codes:Array(String)}}, code), revenues, currencies)
        ) AS others
    FROM {PROFILES} FINAL WHERE project = {{project:String}}
"""
"""``bought`` is also of a profile that has no prices yet, or whose currency was not among the first;
``others`` are amounts in currencies without a rate, with their codes."""


def _newest(chance: str) -> str:
    """In SQL, a person's probability: of several ids that of the one that was seen last."""
    return f"argMaxIf(p.{chance}, (p.last_seen, p.distinct_id), p.{chance} IS NOT NULL) AS {chance}"


_PEOPLE: Final = f"""
    SELECT distinct_id AS person, churn, conversion, bought, spent, others
    FROM ({_KNOWN}) WHERE churn IS NOT NULL AND distinct_id NOT IN ({LINKED})
    UNION ALL
    SELECT {NAME} AS person, {_newest("churn")}, {_newest("conversion")}, max(p.bought) AS bought,
        sum(p.spent) AS spent, sumMap(p.others) AS others
    FROM (SELECT * FROM ({_KNOWN}) WHERE distinct_id IN ({LINKED})) AS p
    LEFT ANY JOIN ({PERSON_OF_ID}) AS other ON other.distinct_id = p.distinct_id
    GROUP BY person HAVING churn IS NOT NULL
"""
"""Of a person of several ids the scores of the one that was seen last, and what they have spent together.

The others, most of a project's users, are neither joined nor grouped."""

_RANKED: Final = f"""
    SELECT *, quantileExactIf({TOP_SHARE})(spent, spent > 0) OVER () AS top FROM ({_PEOPLE})
"""
"""Each beside what the top fifth of those who have spent has spent at least: NaN where nobody has."""


class InSegment(NamedTuple):
    """Users of one segment: how many, their mean scores (None for none), what they have spent together.

    ``unconverted`` is what they have spent in currencies without a rate, by code, which is not in ``spent``;
    ``personas`` says how many are of which present persona, ``""`` for none; ``people`` are some of them,
    those first who are likeliest to leave.
    """

    segment: Segment
    users: int = 0
    churn: float | None = None
    conversion: float | None = None
    spent: float = 0.0
    unconverted: Mapping[str, float] = {}
    personas: Mapping[str, int] = {}
    people: tuple[str, ...] = ()


class Segmented(NamedTuple):
    """All segments in their order, and from what amount on a customer is a top one; None without any."""

    segments: tuple[InSegment, ...]
    top_spent: float | None


async def segmented(
    store: Store, scope: Scope, only: str | None = None, *, limit: int, offset: int
) -> Segmented:
    """How many users are in each segment, and of each (or of ``only`` one) some of them.

    Raises:
        StoreError: the store did not answer.
    """
    bound: dict[str, object] = {"project": scope.project, **_money(scope)}
    placed = f"SELECT *, {_segment(bound)} AS segment FROM ({_RANKED})"
    counted = await store.query(
        f"""
        SELECT segment, sum(number) AS users, sum(churns) / sum(number) AS churn,
            if(sum(known) = 0, NULL, sum(conversions) / sum(known)) AS conversion, sum(spents) AS spent,
            sumMap(unrated) AS others, groupArray((kind, number)) AS personas, any(tops) AS top
        FROM (
            SELECT segment, toString(kinds.persona) AS kind, count() AS number, sum(placed.churn) AS churns,
                count(placed.conversion) AS known, sum(placed.conversion) AS conversions,
                sum(placed.spent) AS spents, sumMap(placed.others) AS unrated, any(placed.top) AS tops
            FROM ({placed}) AS placed
            LEFT ANY JOIN ({PERSONA_OF_PERSON}) AS kinds ON kinds.person = cityHash64(placed.person)
            GROUP BY segment, kind
        )
        GROUP BY segment
        """,
        bound,
    )
    people = await store.query(
        f"""
        SELECT segment, person FROM ({placed}) WHERE {{only:String}} IN ('', segment)
        ORDER BY segment, churn DESC, person LIMIT {{limit:UInt32}} OFFSET {{offset:UInt64}} BY segment
        """,
        {**bound, "only": only or "", "limit": limit, "offset": offset},
    )
    rows = {row["segment"]: row for row in counted}
    chosen: dict[str, list[str]] = {segment.name: [] for segment in SEGMENTS}
    for row in people:
        chosen[row["segment"]].append(row["person"])
    top = next((row["top"] for row in counted if not isnan(row["top"])), None)
    return Segmented(
        tuple(_in_segment(segment, rows.get(segment.name), chosen[segment.name]) for segment in SEGMENTS), top
    )


def _in_segment(segment: Segment, row: Mapping[str, Any] | None, people: Sequence[str]) -> InSegment:
    if row is None:
        return InSegment(segment, people=tuple(people))
    numbers = {name: row[name] for name in ("users", "churn", "conversion", "spent")}
    personas = dict(sorted(row["personas"]))
    others = {code: float(amount) for code, amount in zip(*row["others"], strict=True)}
    return InSegment(segment, **numbers, unconverted=largest(others), personas=personas, people=tuple(people))


def _money(scope: Scope) -> dict[str, object]:
    """What a unit of each currency is worth today; those without a rate count for nothing."""
    today = scope.now.astimezone(scope.zone).date()
    worth = {code: rate(scope, code, today) for code in ("", scope.currency, *scope.rates)}
    known = {code: value for code, value in worth.items() if value is not None}
    return {"codes": list(known), "rates": list(known.values())}


def _segment(bound: dict[str, object]) -> str:
    """In SQL, the name of the first segment whose rule holds; values are added to those that are bound."""
    cases = []
    for number, segment in enumerate(SEGMENTS):
        bound[f"segment_{number}"] = segment.name
        cases += [_holds(bound, number, segment), f"{{segment_{number}:String}}"]
    return f"multiIf({', '.join(cases)}, '')"


def _holds(bound: dict[str, object], number: int, of: Segment) -> str:
    tests = ["true"]

    def bind(name: str, value: float) -> str:
        bound[f"{name}_{number}"] = value
        return f"{{{name}_{number}:Float64}}"

    if of.churn_above is not None:
        tests.append(f"churn > {bind('churn_above', of.churn_above)}")
    if of.churn_up_to is not None:
        tests.append(f"churn <= {bind('churn_up_to', of.churn_up_to)}")
    if of.conversion_from is not None:
        tests.append(f"ifNull(conversion >= {bind('conversion_from', of.conversion_from)}, false)")
    if of.bought is not None:
        tests.append("bought" if of.bought else "NOT bought")
    if of.top is not None:
        is_top = "(spent > 0 AND spent >= top)"
        tests.append(is_top if of.top else f"NOT {is_top}")
    return " AND ".join(tests)
