"""Scores of users, of the newest profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from loopin_schemas.insight import Insight
from loopin_schemas.profile import HIGH_RISK
from loopin_sinks.insights.stored import TOLD, insight_of
from loopin_sinks.persons.mapping import PERSON_OF_ID
from loopin_sinks.persons.profile_rows import PROFILES
from loopin_sinks.store import Store

NAME: Final = "if(other.person = '', p.distinct_id, other.person)"
"""Of a row ``p`` that is joined with ``PERSON_OF_ID`` as ``other``, what names the person."""

LINKED: Final = f"SELECT arrayJoin([distinct_id, person]) FROM ({PERSON_OF_ID})"
"""Who shares a person with others: of all the rest there is nothing to put together."""

_PLACE: Final = "indexOf(score_targets, {target:String})"

_SCORED: Final = (
    f"{PROFILES} FINAL WHERE project = {{project:String}} AND has(score_targets, {{target:String}})"
)

_CHANCE: Final = f"score_chances[{_PLACE}]"


def _each(value: str) -> str:
    """In SQL, of all persons what ``value`` says of their profiles, and nothing else is read.

    Of a person of several ids it is that of the one that was seen last, of those seen at once the one whose
    name comes last: so in every query here.
    """
    return f"""
    SELECT distinct_id AS person, {value} AS said FROM {_SCORED} AND distinct_id NOT IN ({LINKED})
    UNION ALL
    SELECT {NAME} AS person, argMax(p.said, (p.last_seen, p.distinct_id)) AS said
    FROM (
        SELECT distinct_id, last_seen, {value} AS said FROM {_SCORED} AND distinct_id IN ({LINKED})
    ) AS p
    LEFT ANY JOIN ({PERSON_OF_ID}) AS other ON other.distinct_id = p.distinct_id
    GROUP BY person
    """


_CHANCES: Final = f"SELECT person, said AS chance FROM ({_each(_CHANCE)})"


def _of(persons: str) -> str:
    """In SQL, the scores of the persons that a query gives, and nobody else is read."""
    return f"""
    SELECT person, score.1 AS chance, score.2 AS at, score.3 AS version, score.4 AS reasons,
        score.5 AS last_seen
    FROM (
        SELECT {NAME} AS person,
            argMax((p.chance, p.at, p.version, p.reasons, p.last_seen), (p.last_seen, p.distinct_id)) AS score
        FROM (
            SELECT distinct_id, last_seen, {_PLACE} AS place, score_chances[place] AS chance,
                score_times[place] AS at, score_versions[place] AS version, score_reasons[place] AS reasons
            FROM {_SCORED} AND distinct_id IN (
                SELECT distinct_id FROM ({PERSON_OF_ID}) WHERE person IN ({persons}) UNION ALL {persons}
            )
        ) AS p
        LEFT ANY JOIN ({PERSON_OF_ID}) AS other ON other.distinct_id = p.distinct_id
        GROUP BY person
    )
    WHERE person IN ({persons})
    """


_TOP: Final = f"""
    SELECT person FROM ({_CHANCES})
    ORDER BY chance DESC, person
    LIMIT {{limit:UInt32}} OFFSET {{offset:UInt64}}
"""

_OF_THESE: Final = f"{_of('SELECT arrayJoin({persons:Array(String)})')} ORDER BY chance DESC, person"

_OF_PERSON: Final = f"""
    SELECT target, score.1 AS chance, score.2 AS at, score.3 AS version, score.4 AS reasons,
        score.5 AS last_seen
    FROM (
        SELECT target, argMax((chance, at, version, why, last_seen), (last_seen, distinct_id)) AS score
        FROM {PROFILES} FINAL
        ARRAY JOIN score_targets AS target, score_chances AS chance, score_times AS at,
            score_versions AS version, score_reasons AS why
        WHERE project = {{project:String}} AND distinct_id IN {{ids:Array(String)}}
        GROUP BY target
    )
"""

_CROSSED: Final = f"""
    SELECT person FROM ({_each(f"({_CHANCE}, score_times[{_PLACE}])")})
    WHERE said.1 > {{high:Float64}} AND said.2 >= {{since:DateTime64(3, 'UTC')}}
        AND person NOT IN (SELECT target_id FROM ({TOLD}))
    ORDER BY said.1 DESC, person
    LIMIT {{limit:UInt32}}
"""

_COUNTED: Final = f"""
    SELECT count() AS scored, countIf(chance > {{high:Float64}}) AS high FROM ({_CHANCES})
"""

_FALLEN: Final = f"""
    SELECT * FROM ({TOLD})
    WHERE target_id NOT IN (
        SELECT person FROM ({_of(f"SELECT target_id FROM ({TOLD})")}) WHERE chance >= {{low:Float64}}
    )
    LIMIT {{limit:UInt32}}
"""


class ScoredUser(NamedTuple):
    """A person and what is predicted; ``version`` 0: the heuristic; ``reasons``: numbers of contrasts."""

    person: str
    chance: float
    at: datetime
    version: int
    reasons: tuple[int, ...]
    last_seen: datetime


class Scored(NamedTuple):
    """Some of the users who are scored, the likeliest first; ``scored`` is how many there are in all.

    ``high`` are those of more than ``HIGH_RISK``.
    """

    users: tuple[ScoredUser, ...]
    scored: int
    high: int


async def scored_users(store: Store, project: str, target: str, *, limit: int, offset: int = 0) -> Scored:
    """Who is likeliest.

    Raises:
        StoreError: the store did not answer.
    """
    scored, high = await counted_scores(store, project, target, above=HIGH_RISK)
    bound = {"project": project, "target": target, "limit": limit, "offset": offset}
    top = [row["person"] for row in await store.query(_TOP, bound)]
    return Scored(await _of_these(store, project, target, top), scored, high)


async def scores_of(
    store: Store, project: str, person: str, distinct_ids: Sequence[str]
) -> dict[str, ScoredUser]:
    """What is predicted of a person, by target; of several ids it is of the one that was seen last.

    Raises:
        StoreError: the store did not answer.
    """
    rows = await store.query(_OF_PERSON, {"project": project, "ids": list(distinct_ids)})
    return {row["target"]: _user({**row, "person": person}) for row in rows}


async def counted_scores(store: Store, project: str, target: str, *, above: float) -> tuple[int, int]:
    """How many persons are scored, and how many of them above a limit. Raises StoreError."""
    [row] = await store.query(_COUNTED, {"project": project, "target": target, "high": above})
    return row["scored"], row["high"]


async def score_of(store: Store, project: str, target: str, person: str) -> ScoredUser | None:
    """What is predicted of one person now; None for nothing. Raises StoreError."""
    found = await _of_these(store, project, target, [person])
    return found[0] if found else None


async def crossed(
    store: Store, project: str, target: str, told: str, *, high: float, since: datetime, limit: int
) -> tuple[ScoredUser, ...]:
    """Users whose score of ``since`` or later is above ``high``, and of whom no insight tells.

    The likeliest come first. ``told`` begins the ids of these insights. Raises StoreError.
    """
    bound = {"project": project, "target": target, "told": told, "high": high, "since": since, "limit": limit}
    over = [row["person"] for row in await store.query(_CROSSED, bound)]
    found = await _of_these(store, project, target, over)
    # The profiles may be newer than those of the first query.
    return tuple(user for user in found if user.chance > high)


async def fallen(
    store: Store, project: str, target: str, told: str, *, low: float, limit: int
) -> list[Insight]:
    """Insights of users whose score is below ``low`` by now, or who have none any more.

    Raises:
        StoreError: the store did not answer.
    """
    bound = {"project": project, "target": target, "told": told, "low": low, "limit": limit}
    return [insight_of(row) for row in await store.query(_FALLEN, bound)]


async def _of_these(
    store: Store, project: str, target: str, persons: Sequence[str]
) -> tuple[ScoredUser, ...]:
    """Those of these persons who have a score, the likeliest first. Raises StoreError."""
    if not persons:
        return ()
    bound = {"project": project, "target": target, "persons": list(persons)}
    return tuple(map(_user, await store.query(_OF_THESE, bound)))


def _user(row: Mapping[str, Any]) -> ScoredUser:
    return ScoredUser(
        row["person"], row["chance"], row["at"], row["version"], tuple(row["reasons"]), row["last_seen"]
    )
