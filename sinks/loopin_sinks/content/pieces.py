"""Pieces of content in SQL over the table ``events``: which events are of them, and what people turn to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loopin_schemas.metrics.definition import Events, events
from loopin_schemas.scores import trending
from loopin_sinks.metric_values.scope import Periods, epoch_ms
from loopin_sinks.metric_values.sql import MS, PERSON, Query, of_persons

PIECE: Final = "cityHash64(toString(content_type), object_id)"
"""An event's piece as a number, which is grouped by faster than two texts are."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of content."""

    content_type: str
    object_id: str


def heats(query: Query, periods: Periods, pieces: Sequence[Piece] | None) -> str:
    """How many saw each piece (``PIECE``), and its heat; of a person the latest event of a name counts."""
    until = [epoch_ms(min(edge, query.scope.now)) for edge in periods.edges[1:]]
    ends = (
        f"transform(at, {query.bind(periods.starts_ms, 'Array(Int64)')}, {query.bind(until, 'Array(Int64)')})"
    )
    weights = f"""transform(event, {query.bind(list(trending.WEIGHTS), "Array(String)")},
        {query.bind(list(trending.WEIGHTS.values()), "Array(Float64)")}, toFloat64(0))"""
    half_life = query.bind(trending.HALF_LIFE_H * 3_600_000, "Float64")
    acts = f"""
        SELECT {query.period(periods)} AS at, {PIECE} AS piece, event, user, max({MS}) AS latest
        FROM {of_content(query, events(*trending.WEIGHTS), periods, pieces)}
        GROUP BY at, piece, event, user
    """
    return f"""
        SELECT at, piece, countIf(event = 'content_viewed') AS unique_views,
            sum({weights} * exp2(-greatest({ends} - latest, 0) / {half_life})) AS heat
        FROM (
            SELECT found.at AS at, found.piece AS piece, found.event AS event, {PERSON} AS person,
                max(found.latest) AS latest
            FROM {of_persons(acts)} GROUP BY at, piece, event, person
        )
        GROUP BY at, piece
    """


def of_content(query: Query, of: Events, periods: Periods, pieces: Sequence[Piece] | None) -> str:
    """From which rows: those events of these pieces, or of any."""
    return f"{query.events(of, periods.start, periods.end)} AND {is_piece(query, pieces)}"


def is_piece(query: Query, pieces: Sequence[Piece] | None) -> str:
    """Whether an event is of one of these pieces, or of any."""
    if pieces is None:
        return "content_type != '' AND object_id != ''"
    types = query.bind([piece.content_type for piece in pieces], "Array(String)")
    ids = query.bind([piece.object_id for piece in pieces], "Array(String)")
    # Most events are of no piece that is asked for: the one column tells, and the other is not read.
    return f"""object_id IN {ids} AND (content_type, object_id) IN (
        SELECT piece.1, piece.2 FROM (SELECT arrayJoin(arrayZip({types}, {ids})) AS piece)
    )"""
