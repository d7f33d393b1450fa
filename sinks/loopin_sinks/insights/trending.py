"""Pieces of content that people turn to more than a day before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, NamedTuple
from urllib.parse import quote

from loopin_schemas.insight import Evidence, Insight
from loopin_schemas.metrics.definition import events
from loopin_schemas.scores.trending import HALF_LIFE_H, MIDDLING, WEIGHTS, trending_score
from loopin_sinks.content.pieces import PIECE, Piece, heats, of_content
from loopin_sinks.insights.findings import KEPT_FOR
from loopin_sinks.insights.stored import TOLD, insight_of, told_since, withdraw
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms
from loopin_sinks.metric_values.sql import Query
from loopin_sinks.store import Store

HOT: Final = MIDDLING
"""Heat from which on a piece is told of: a score of a half, fifty people who have just looked."""

COOL: Final = MIDDLING / 2
"""Heat below which that is over, a score of a third: nobody came since a day ago."""

RISING: Final = 2.0
"""By what factor its heat has grown in a day: what is always popular is no news."""

MOST_A_DAY: Final = 10
"""Most pieces that are told of on a project's day, the hottest first."""

MOST_HOT: Final = 1_000
"""Most pieces looked at."""

DAY: Final = timedelta(hours=HALF_LIFE_H)
LOOKED_BACK: Final = timedelta(days=7)
"""Of what was longer ago less than 1 % is left."""


class _Hot(NamedTuple):
    piece: Piece
    heat: float
    viewers: int


async def trending_content(store: Store, scope: Scope) -> list[Insight]:
    """What there is to say of content: what was said and still holds, and what is new.

    Raises:
        StoreError: the store did not answer.
    """
    told = f"{scope.project}/trending/"
    hot = await _heats(store, scope, None)
    rows = await store.query(TOLD, {"project": scope.project, "told": told})
    known, warm = [insight_of(row) for row in rows], {_name(each.piece) for each in hot}
    await withdraw(store, [each for each in known if each.target_id not in warm], scope.now)
    kept = [each for each in known if each.target_id in warm]
    room = MOST_A_DAY - await told_since(store, scope.project, told, scope.midnight(scope.day_of(scope.now)))
    named = {each.target_id for each in kept}
    new = [each for each in hot if each.heat >= HOT and _name(each.piece) not in named]
    return [
        *(each for each in kept if each.expires_at > epoch_ms(scope.now)),
        *(await _rising(store, scope, new))[: max(0, room)],
    ]


async def _rising(store: Store, scope: Scope, hot: Sequence[_Hot]) -> list[Insight]:
    if not hot:
        return []
    earlier = replace(scope, now=scope.now - DAY)
    pieces = [each.piece for each in hot]
    before = {each.piece: each.heat for each in await _heats(store, earlier, pieces)}
    return [
        _insight(scope, each, before.get(each.piece, 0.0))
        for each in hot
        if each.heat >= RISING * before.get(each.piece, 0.0)
    ]


async def _heats(store: Store, scope: Scope, pieces: Sequence[Piece] | None) -> list[_Hot]:
    """Pieces by their heat as of the scope's time, the hottest first; of all, those that are not cool."""
    query, span = Query(scope), Periods((scope.now - LOOKED_BACK, scope.now))
    least = COOL if pieces is None else 0.0
    found = of_content(query, events(*WEIGHTS), span, pieces)
    rows = await query.rows(
        store,
        f"""
        SELECT named.type AS type, named.object AS object, felt.heat AS heat, felt.unique_views AS viewers
        FROM ({heats(query, span, pieces)}) AS felt
        INNER JOIN (
            SELECT toString(content_type) AS type, object_id AS object, {PIECE} AS piece
            FROM {found} GROUP BY type, object, piece
        ) AS named ON named.piece = felt.piece
        WHERE heat >= {query.bind(least, "Float64")}
        ORDER BY heat DESC, type, object LIMIT {query.bind(MOST_HOT, "UInt32")}
        """,
    )
    return [_Hot(Piece(row["type"], row["object"]), row["heat"], row["viewers"]) for row in rows]


def _name(piece: Piece) -> str:
    return f"{piece.content_type}/{piece.object_id}"


def piece_of(target_id: str) -> Piece:
    """The piece that an insight is about."""
    content_type, _, object_id = target_id.partition("/")
    return Piece(content_type, object_id)


def _insight(scope: Scope, of: _Hot, before: float) -> Insight:
    now, score, name = epoch_ms(scope.now), trending_score(of.heat), _name(of.piece)
    path = "/".join(quote(part, safe="") for part in (of.piece.content_type, of.piece.object_id))
    people = "1 person has" if of.viewers == 1 else f"{of.viewers:,} people have"
    return Insight(
        id=f"{scope.project}/trending/{name}/{scope.now.astimezone(scope.zone):%Y-%m-%d}",
        project=scope.project,
        insight_type="trending",
        target_type="content",
        target_id=name,
        title=f"{name} is trending",
        description=f"{people} viewed it in the last {LOOKED_BACK.days} days; its trending score is "
        f"{score:.2f}, and was {trending_score(before):.2f} a day before.",
        # Nothing is estimated.
        confidence_score=1.0,
        is_actionable=True,
        suggested_actions=(
            "Show it to more people while it lasts.",
            f"See where they come from: /api/analytics/content/{path}.",
        ),
        priority="low",
        evidence=Evidence(
            metric="trending_score",
            grain="moment",
            start=now,
            value=score,
            calculated_at=now,
            expected=trending_score(before),
            high=trending_score(HOT),
        ),
        created_at=now,
        expires_at=now + KEPT_FOR // timedelta(milliseconds=1),
    )
