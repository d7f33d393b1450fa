"""How pieces of content do: their views, what users did with them, and where those came from."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from loopin_api.timespan import Timespan
from loopin_schemas.metrics.definition import ACTIVE, events
from loopin_schemas.scores import content_quality as quality
from loopin_schemas.scores import trending
from loopin_sinks.content.pieces import PIECE, Piece, heats, is_piece, of_content
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.metric_values.sessions import NO_INTERACTION
from loopin_sinks.metric_values.sql import PERSON, Query, of_persons
from loopin_sinks.store import Store

Sort = Literal[
    "view_count",
    "unique_views",
    "time_on_page",
    "bounce_rate",
    "social_shares",
    "comments_count",
    "likes_count",
    "search_appearances",
    "click_through_rate",
    "engagement_rate",
    "quality_score",
    "trending_score",
]
"""What pieces can be put in order by."""

SORTS: Final[tuple[Sort, ...]] = get_args(Sort)

_COUNTED: Final = [
    sort for sort in SORTS if sort not in ("unique_views", "bounce_rate", "quality_score", "trending_score")
]

Order = Literal["desc", "asc"]

MAX_SOURCES: Final = 20
"""Most traffic sources named of one piece, those with the most views; the others are one."""

OTHER: Final = "other"

_VIEWED: Final = events("content_viewed")
_CONTENT: Final = events(
    "content_viewed",
    "content_left",
    "content_liked",
    "content_commented",
    "content_shared",
    "search_result_shown",
    "search_result_clicked",
)
_LOOKED: Final = [
    *NO_INTERACTION,
    "content_viewed",
    "content_left",
    "search_result_shown",
    "recommendation_shown",
]
"""Events that somebody causes who only looks at one piece."""


@dataclass(frozen=True, slots=True)
class PieceNumbers:
    """What one piece came to in one period; rates are ratios, ``time_on_page`` is in seconds.

    Attributes:
        period: position of the period.
        heat: see ``loopin_schemas.scores.trending``, as of the period's end or now.
        traffic_sources: views by where they came from.
    """

    piece: Piece
    period: int = 0
    view_count: int = 0
    unique_views: int = 0
    time_on_page: float | None = None
    bounce_rate: float | None = None
    social_shares: int = 0
    comments_count: int = 0
    likes_count: int = 0
    search_appearances: int = 0
    click_through_rate: float | None = None
    engagement_rate: float | None = None
    heat: float = 0.0
    traffic_sources: Mapping[str, int] = field(default_factory=dict)

    @property
    def quality_score(self) -> float | None:
        """From 0 to 1; None without views."""
        return quality.content_quality(
            self.view_count,
            engagement_rate=self.engagement_rate,
            time_on_page=self.time_on_page,
            bounce_rate=self.bounce_rate,
            click_through_rate=self.click_through_rate,
        )

    @property
    def trending_score(self) -> float:
        """From 0 to 1."""
        return trending.trending_score(self.heat)


async def ranked(
    store: Store, scope: Scope, span: Timespan, sort: Sort, order: Order, limit: int, offset: int
) -> tuple[int, list[PieceNumbers]]:
    """How many pieces have had events in a span, and those from ``offset`` on, in this order.

    The count is 0 where ``offset`` lies beyond the last.

    Raises:
        StoreError: the store did not answer.
    """
    whole = Periods((span.start, span.end))
    query = Query(scope)
    direction = "DESC" if order == "desc" else "ASC"
    # Of all pieces only what they are ordered by is computed, the rest of those that are answered.
    numbers = _numbers(
        query,
        whole,
        None,
        visits=sort in ("bounce_rate", "quality_score"),
        people=sort in ("unique_views", "trending_score"),
    )
    rows = await query.rows(
        store,
        f"""
        SELECT content_type, object_id, count() OVER () AS pieces,
            {_quality()} AS quality_score, heat AS trending_score
        FROM ({numbers})
        ORDER BY {SORTS[SORTS.index(sort)]} {direction} NULLS LAST, view_count DESC, content_type, object_id
        LIMIT {query.bind(limit, "UInt64")} OFFSET {query.bind(offset, "UInt64")}
        """,
    )
    chosen = [Piece(row["content_type"], row["object_id"]) for row in rows]
    found = {each.piece: each for each in await _of_pieces(store, scope, whole, chosen)}
    return rows[0]["pieces"] if rows else 0, [found.get(piece, PieceNumbers(piece)) for piece in chosen]


async def by_period(store: Store, scope: Scope, piece: Piece, periods: Periods) -> list[PieceNumbers]:
    """One piece in each period, zeros where nothing happened.

    Raises:
        StoreError: the store did not answer.
    """
    found = {numbers.period: numbers for numbers in await _of_pieces(store, scope, periods, [piece])}
    return [found.get(number, PieceNumbers(piece, number)) for number in range(len(periods))]


async def is_known(store: Store, project: str, piece: Piece) -> bool:
    """Whether there has ever been an event of the piece.

    Raises:
        StoreError: the store did not answer.
    """
    rows = await store.query(
        "SELECT 1 AS one FROM events WHERE project = {project:String} AND event IN {names:Array(String)} "
        "AND content_type = {content_type:String} AND object_id = {object_id:String} LIMIT 1",
        {
            "project": project,
            "names": list(_CONTENT.names),
            "content_type": piece.content_type,
            "object_id": piece.object_id,
        },
    )
    return bool(rows)


async def _of_pieces(
    store: Store, scope: Scope, periods: Periods, pieces: Sequence[Piece]
) -> list[PieceNumbers]:
    """All numbers of these pieces in those periods in which something happened."""
    if not pieces:
        return []
    query = Query(scope)
    rows, sources = await asyncio.gather(
        query.rows(store, _numbers(query, periods, pieces)),
        _sources(store, scope, periods, pieces),
    )
    return [_numbers_of(row, periods, sources) for row in rows]


def _numbers(
    query: Query,
    periods: Periods,
    pieces: Sequence[Piece] | None,
    *,
    visits: bool = True,
    people: bool = True,
) -> str:
    """Rows of ``at`` (start of the period, epoch ms), ``content_type``, ``object_id`` and the numbers.

    Of these pieces, or of all. Without ``visits`` the bounce rate is null, without ``people`` what is counted
    of them is 0.
    """

    def of(name: str) -> str:
        return f"event = '{name}'"

    measured = f"{query.matches(events('content_left'))} AND ifNull(duration_s >= 0, false)"
    counted = f"""
        SELECT {query.period(periods)} AS at, toString(content_type) AS content_type, object_id,
            cityHash64(content_type, object_id) AS piece, countIf({of("content_viewed")}) AS view_count,
            avgOrNullIf(duration_s, {measured}) AS time_on_page,
            countIf({of("content_shared")}) AS social_shares,
            countIf({of("content_commented")}) AS comments_count,
            countIf({of("content_liked")}) AS likes_count,
            countIf({of("search_result_shown")}) AS search_appearances,
            if(search_appearances = 0, NULL, countIf({of("search_result_clicked")}) / search_appearances)
                AS click_through_rate,
            if(view_count = 0, NULL, (social_shares + comments_count + likes_count) / view_count)
                AS engagement_rate
        FROM {of_content(query, _CONTENT, periods, pieces)} GROUP BY at, content_type, object_id
    """
    bounce_rate = "if(visits = 0, NULL, bounced / visits)" if visits else "NULL"
    unique_views, heat = ("unique_views", "heat") if people else ("toUInt64(0)", "toFloat64(0)")
    joined = ""
    if visits:
        joined += f" LEFT JOIN ({_visits(query, periods, pieces)}) AS seen_in USING (at, piece)"
    if people:
        joined += f" LEFT JOIN ({heats(query, periods, pieces)}) AS felt USING (at, piece)"
    return f"""
        SELECT at, content_type, object_id, {", ".join(_COUNTED)}, {bounce_rate} AS bounce_rate,
            {unique_views} AS unique_views, {heat} AS heat
        FROM ({counted}) AS counted {joined}
    """


def _visits(query: Query, periods: Periods, pieces: Sequence[Piece] | None) -> str:
    """In how many visits each piece (``PIECE``) was seen, and in how many of these nothing else was done.

    A visit is what a person does on one day of the zone under one session_id, or under none: visits of days
    add up to those of a longer time, which sessions across a midnight would not.
    """
    chosen = f"{query.matches(_VIEWED)} AND {query.chosen} AND {is_piece(query, pieces)}"
    source = f"{query.source(periods.start, periods.end)} AND {query.matches(ACTIVE)}"
    session = f"cityHash64(session_id, {query.day})"
    if pieces is not None:
        source += f" AND {session} IN (SELECT {session} FROM {of_content(query, _VIEWED, periods, pieces)})"
    acts = f"""
        SELECT {query.period(periods)} AS at, user, {session} AS session,
            groupArrayIf({PIECE}, {chosen}) AS seen,
            countIf(event = 'content_viewed') AS views, countIf(event = '$pageview') AS pages,
            countIf(event NOT IN {query.bind(_LOOKED, "Array(String)")}) AS interactions
        FROM {source} GROUP BY at, user, session
    """
    return f"""
        SELECT at, arrayJoin(arrayDistinct(seen)) AS piece, count() AS visits,
            countIf(views = 1 AND pages <= 1 AND interactions = 0) AS bounced
        FROM (
            SELECT found.at AS at, groupArrayArray(found.seen) AS seen, sum(found.views) AS views,
                sum(found.pages) AS pages, sum(found.interactions) AS interactions
            FROM {of_persons(acts)} GROUP BY at, {PERSON}, found.session
        )
        GROUP BY at, piece
    """


def _quality() -> str:
    """``loopin_schemas.scores.content_quality`` in SQL, for the order; what is answered is the former."""

    def saturating(name: str, middling: float) -> str:
        return f"ifNull({name} / ({name} + {middling}), {quality.NEUTRAL})"

    parts = " + ".join(
        f"{quality.WEIGHTS[part]} * {of}"
        for part, of in (
            ("engagement", saturating("engagement_rate", quality.ENGAGEMENT)),
            ("attention", saturating("time_on_page", quality.ATTENTION_S)),
            ("stay", f"ifNull(1 - bounce_rate, {quality.NEUTRAL})"),
            ("appeal", saturating("click_through_rate", quality.CLICKS)),
        )
    )
    score = f"{quality.NEUTRAL} + ({parts} - {quality.NEUTRAL}) * view_count / (view_count + {quality.VIEWS})"
    return f"if(view_count = 0, NULL, {score})"


def _numbers_of(
    row: Mapping[str, Any], periods: Periods, sources: Mapping[tuple[int, str, str], Mapping[str, int]]
) -> PieceNumbers:
    named = sources.get((row["at"], row["content_type"], row["object_id"]), {})
    rest = row["view_count"] - sum(named.values())
    return PieceNumbers(
        piece=Piece(row["content_type"], row["object_id"]),
        period=periods.number[row["at"]],
        traffic_sources={**named, OTHER: named.get(OTHER, 0) + rest} if rest > 0 else named,
        **{name: row[name] for name in ("heat", *SORTS) if name not in ("quality_score", "trending_score")},
    )


async def _sources(
    store: Store, scope: Scope, periods: Periods, pieces: Sequence[Piece]
) -> Mapping[tuple[int, str, str], Mapping[str, int]]:
    """Views of each piece by source: its campaign, else the site that linked to it."""
    query = Query(scope)
    rows = await query.rows(
        store,
        f"""
        WITH lower(domainWithoutWWW(referrer)) AS site, lower(domainWithoutWWW(url)) AS own
        SELECT {query.period(periods)} AS at, toString(content_type) AS type, object_id AS object,
            multiIf(
                campaign_source != '', toString(campaign_source),
                site = '', 'direct', site = own, 'internal', site
            ) AS source,
            count() AS views
        FROM {of_content(query, _VIEWED, periods, pieces)}
        GROUP BY at, type, object, source
        ORDER BY views DESC, source LIMIT {MAX_SOURCES} BY at, type, object
        """,
    )
    found: dict[tuple[int, str, str], dict[str, int]] = defaultdict(dict)
    for row in rows:
        found[row["at"], row["type"], row["object"]][row["source"]] = row["views"]
    return found
