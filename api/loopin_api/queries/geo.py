"""Who tried to enter a community that is restricted to places, from where, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import product
from typing import Any, Final, Literal, get_args

from loopin_api.queries.days import day_periods
from loopin_api.queries.metrics import MAX_POINTS
from loopin_api.timespan import Timespan
from loopin_schemas.metrics import Grain
from loopin_schemas.metrics.definition import Condition, events
from loopin_schemas.scores.impossible_travel import SPEED_LIMIT_KMH
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.metric_values.sql import MS, PERSON, Query, Rows, of_persons
from loopin_sinks.metric_values.travel import LOCATED, LOOKBACK_MS, OFF, with_speed
from loopin_sinks.persons.mapping import PERSON_OF_USER
from loopin_sinks.store import Store

MAX_LOCATIONS: Final = 100
"""Most countries, regions and cities in an answer, each: those with the most attempts."""

TOP_BLOCKED: Final = 10

Reason = Literal["country", "region", "city"]
Result = Literal["blocked", "allowed"]
DECISIONS: Final[tuple[tuple[Reason, Result], ...]] = tuple(product(get_args(Reason), get_args(Result)))
"""Each rule, and what it may decide."""

_CHECKED: Final = "geo_access_checked"
_MOVED: Final = ("ms", "uuid", "latitude", "longitude", "off", "at", "here")
_SLOTS: Final = """[
    ('all', '', '', ''), ('period', toString(at), '', ''), ('blocked', country, '', city),
    ('country', country, '', ''), ('region', country, region, ''), ('city', country, region, city)
]"""
_NOWHERE: Final = "['', '', '', '']"
_TRAVELS: Final = f"""
    arrayFirst(
        pair -> pair.1 != '' AND pair.2 != '',
        arrayZip(place, if(empty(homes.home), {_NOWHERE}, homes.home))
    ) AS known,
    is_traveler OR known.1 != known.2 AS travels
"""
"""Of ``attempts`` joined with ``homes``: whether they are somebody's away from home."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Counts of attempts; ``travelers`` are distinct persons, ``by_reason`` is what each rule decided."""

    total: int = 0
    allowed: int = 0
    blocked: int = 0
    bypassed: int = 0
    of_travelers: int = 0
    travelers: int = 0
    by_reason: Mapping[tuple[Reason, Result], int] = field(
        default_factory=lambda: dict.fromkeys(DECISIONS, 0)
    )

    @property
    def effectiveness(self) -> float | None:
        """Refused / all, 0 to 1; None without attempts."""
        return self.blocked / self.total if self.total else None

    def decided(self, result: Result) -> int:
        """Those with this result whose rule is named."""
        return sum(count for (_, given), count in self.by_reason.items() if given == result)


@dataclass(frozen=True, slots=True)
class Impossible:
    """Attempts from farther off than anybody can have come since the one before, by whom, and how fast.

    ``fastest_kmh`` is None where there are none.
    """

    attempts: int = 0
    users: int = 0
    fastest_kmh: float | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where attempts came from; ``""`` for what is not known or not asked for."""

    country: str
    region: str
    city: str
    attempts: Attempts


@dataclass(frozen=True, slots=True)
class GeoReport:
    """A community's attempts over a span; places with the most first, ``blocked`` by refusals."""

    whole: Attempts
    blocked: Sequence[Place]
    countries: Sequence[Place]
    regions: Sequence[Place]
    cities: Sequence[Place]
    grain: Grain
    series: Sequence[tuple[date, Attempts, Impossible]]
    impossible: Impossible = Impossible()


async def geo_report(store: Store, scope: Scope, community: str, span: Timespan) -> GeoReport:
    """The attempts at a community; zeros where there were none.

    Raises:
        StoreError: the store did not answer.
    """
    grain, series = day_periods(span)
    rows, impossible = await asyncio.gather(
        _counted(store, scope, community, series, series.end), _impossible(store, scope, community, series)
    )
    whole = next((_attempts(row) for row in rows if row["kind"] == "all"), Attempts())
    by_period = {int(row["first"]): _attempts(row) for row in rows if row["kind"] == "period"}
    return GeoReport(
        whole=whole,
        blocked=_places(rows, "blocked", TOP_BLOCKED),
        countries=_places(rows, "country", MAX_LOCATIONS),
        regions=_places(rows, "region", MAX_LOCATIONS),
        cities=_places(rows, "city", MAX_LOCATIONS),
        grain=grain,
        series=[
            (
                edge.astimezone(span.zone).date(),
                by_period.get(start, Attempts()),
                impossible.get(start, Impossible()),
            )
            for edge, start in zip(series.edges[:-1], series.starts_ms, strict=True)
        ],
        impossible=impossible.get(None, Impossible()),
    )


async def attempts_by_period(store: Store, scope: Scope, series: Periods) -> Mapping[int, Attempts]:
    """The attempts at all communities in each period, by its start in epoch ms, where there were any.

    Who travels is judged by what is known of their sign-up now, whatever the periods.

    Raises:
        StoreError: the store did not answer.
    """
    rows = await _counted(store, scope, None, series, scope.now)
    return {int(row["first"]): _attempts(row) for row in rows if row["kind"] == "period"}


async def travelers(
    store: Store, scope: Scope, series: Periods, names: Sequence[str]
) -> frozenset[tuple[int, str]]:
    """Which of these persons tried to enter from away from home, by start of the period (epoch ms) and name.

    Raises:
        StoreError: the store did not answer.
    """
    query = Query(scope)
    persons, homes = _of_persons(query, None, series), _homes(query, scope.now)
    of = query.bind(list(names), "Array(String)")
    rows = await query.rows(
        store,
        f"""
        WITH attempts AS ({persons}), homes AS ({homes})
        SELECT DISTINCT at, transform(person, arrayMap(name -> cityHash64(name), {of}), {of}, '') AS name
        FROM (
            SELECT at, person, {_TRAVELS}
            FROM attempts LEFT ANY JOIN homes ON homes.resident = attempts.person
        )
        WHERE travels
        """,
    )
    return frozenset((row["at"], row["name"]) for row in rows)


async def _impossible(
    store: Store, scope: Scope, community: str, series: Periods
) -> Mapping[int | None, Impossible]:
    """By start of the period (epoch ms), and of all under None: attempts at an impossible speed.

    A person's attempts at all communities follow each other, those before the first period too.
    """
    query = Query(scope)
    before = series.start - timedelta(milliseconds=LOOKBACK_MS)
    located = f"""
        SELECT user, {MS} AS ms, uuid, latitude, longitude, {OFF} AS off, {query.period(series)} AS at,
            community_id = {query.bind(community, "String")} AS here
        FROM {query.events(events(_CHECKED), before, series.end)} AND {LOCATED}
    """
    persons = f"""
        SELECT {PERSON} AS person, {", ".join(f"found.{name} AS {name}" for name in _MOVED)}
        FROM {of_persons(located)}
    """
    start = query.bind(series.starts_ms[0], "Int64")
    rows = await query.rows(
        store,
        f"""
        SELECT arrayJoin([at, -1]) AS slot, count() AS attempts, uniqExact(person) AS users,
            max(speed) AS fastest
        FROM ({with_speed(persons, "person, ms, at, here")})
        WHERE here AND ms >= {start} AND speed >= {query.bind(SPEED_LIMIT_KMH, "Float64")}
        GROUP BY slot
        """,
    )
    return {
        None if row["slot"] < 0 else row["slot"]: Impossible(row["attempts"], row["users"], row["fastest"])
        for row in rows
    }


def _places(rows: Rows, kind: str, most: int) -> list[Place]:
    return [
        Place(row["first"], row["second"], row["third"], _attempts(row))
        for row in rows
        if row["kind"] == kind
    ][:most]


def _attempts(row: dict[str, Any]) -> Attempts:
    return Attempts(
        total=row["total"],
        allowed=row["allowed"],
        blocked=row["blocked"],
        bypassed=row["bypassed"],
        of_travelers=row["of_travelers"],
        travelers=row["travelers"],
        by_reason={(reason, result): row[f"{reason}_{result}"] for reason, result in DECISIONS},
    )


async def _counted(
    store: Store, scope: Scope, community: str | None, series: Periods, known_until: datetime
) -> Rows:
    """The same counts for each of ``_SLOTS``, from one pass over the attempts."""
    query = Query(scope)
    persons = _of_persons(query, community, series)
    reasons = ", ".join(
        f"sumIf(n, reason = '{reason}' AND is_{result}) AS {reason}_{result}" for reason, result in DECISIONS
    )
    return await query.rows(
        store,
        f"""
        WITH attempts AS ({persons}), homes AS ({_homes(query, known_until)})
        SELECT slot.1 AS kind, slot.2 AS first, slot.3 AS second, slot.4 AS third,
            sum(n) AS total, sumIf(n, is_allowed) AS allowed, sumIf(n, is_blocked) AS blocked,
            sumIf(n, is_bypass) AS bypassed, sumIf(n, travels) AS of_travelers,
            uniqExactIf(person, travels) AS travelers, {reasons}
        FROM (
            SELECT arrayJoin({_SLOTS}) AS slot, person, n, reason, is_allowed, is_blocked, is_bypass,
                {_TRAVELS}
            FROM attempts LEFT ANY JOIN homes ON homes.resident = attempts.person
        )
        GROUP BY slot HAVING kind != 'blocked' OR blocked > 0
        ORDER BY if(kind = 'blocked', blocked, total) DESC, slot LIMIT {MAX_POINTS} BY kind
        """,
    )


def _of_persons(query: Query, community: str | None, series: Periods) -> str:
    """Attempts, at all communities or at one, by person and all that is asked of them."""
    at = "true" if community is None else f"community_id = {query.bind(community, 'String')}"
    tests = {
        name: query.matches(events(_CHECKED, where=condition))
        for name, condition in (
            ("is_allowed", Condition("access_result", "eq", "allowed")),
            ("is_blocked", Condition("access_result", "eq", "blocked")),
            ("is_bypass", Condition("bypass", "eq", True)),
            ("is_traveler", Condition("is_traveler", "eq", True)),
        )
    }
    columns = ", ".join(f"{test} AS {name}" for name, test in tests.items())
    found = f"""
        SELECT {query.period(series)} AS at, user, toString(country) AS in_country,
            toString(region) AS in_region, toString(city) AS in_city, toString(reason) AS given,
            {_place(query)} AS place, {columns}, count() AS n
        FROM {query.events(events(_CHECKED), series.start, series.end)}
            AND {at}
        GROUP BY at, user, in_country, in_region, in_city, given, place, {", ".join(tests)}
    """
    kept = ", ".join(f"found.{name} AS {name}" for name in ("at", "place", "n", *tests))
    return f"""
        SELECT {PERSON} AS person, found.in_country AS country, found.in_region AS region,
            found.in_city AS city, found.given AS reason, {kept}
        FROM {of_persons(found)}
    """


def _homes(query: Query, until: datetime) -> str:
    """Where the persons of ``attempts`` were when they first signed up, as far as any sign-up says.

    The sign-ups are picked by user before their places are read: a project has far more of them.
    """
    persons = "SELECT person FROM attempts"
    signed_up = f"""
        SELECT user, argMin({_place(query)}, ({MS}, {_place(query)})) AS place, min({MS}) AS at
        FROM {query.events(events("user_signed_up"), None, until)} AND user IN (
            {persons} UNION ALL SELECT user FROM ({PERSON_OF_USER}) WHERE person IN ({persons})
        ) AND {_place(query)} != {_NOWHERE}
        GROUP BY user
    """
    return f"""
        SELECT {PERSON} AS resident, argMin(found.place, (found.at, found.place)) AS home
        FROM {of_persons(signed_up)} GROUP BY resident
    """


def _place(query: Query) -> str:
    """Country as told and by the address, city likewise: like is compared with like, and names differ."""
    told = ("country", "$geoip_country_code", "city", "$geoip_city_name")
    return f"[{', '.join(f'lowerUTF8(trimBoth({query.text(name)}))' for name in told)}]"
