"""How pieces of content do: their views, what users did with them, and where those came from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from loopin_api.timespan import Timespan
from loopin_schemas.metrics.definition import ACTIVE, events
from loopin_schemas.scores import content_quality as quality
from loopin_schemas.scores import trending
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms
from loopin_sinks.metric_values.sessions import NO_INTERACTION
from loopin_sinks.metric_values.sql import MS, PERSON, Query, Rows, of_persons
from loopin_sinks.persons.mapping import PERSON_OF_USER
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
_PIECE: Final = "cityHash64(toString(content_type), object_id)"
"""An event's piece as a number, which is grouped by faster than two texts are."""

_LOOKED: Final = [
    *NO_INTERACTION,
    "content_viewed",
    "content_left",
    "search_result_shown",
    "recommendation_shown",
]
"""Events that somebody causes who only looks at one piece."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of content."""

    content_type: str
    object_id: str


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
    rows = await query.rows(
        store,
        f"""
        SELECT *, count() OVER () AS pieces, {_quality()} AS quality_score, heat AS trending_score
        FROM ({_numbers(query, whole, None)})
        ORDER BY {SORTS[SORTS.index(sort)]} {direction} NULLS LAST, view_count DESC, content_type, object_id
        LIMIT {query.bind(limit, "UInt64")} OFFSET {query.bind(offset, "UInt64")}
        """,
    )
    return rows[0]["pieces"] if rows else 0, await _with_sources(store, scope, whole, rows)


async def by_period(store: Store, scope: Scope, piece: Piece, periods: Periods) -> list[PieceNumbers]:
    """One piece in each period, zeros where nothing happened.

    Raises:
        StoreError: the store did not answer.
    """
    query = Query(scope)
    rows = await query.rows(store, _numbers(query, periods, piece))
    found = {numbers.period: numbers for numbers in await _with_sources(store, scope, periods, rows)}
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


def _numbers(query: Query, periods: Periods, piece: Piece | None) -> str:
    """Rows of ``at`` (start of the period, epoch ms), ``content_type``, ``object_id`` and the numbers."""

    def of(name: str) -> str:
        return f"event = '{name}'"

    until = [epoch_ms(min(edge, query.scope.now)) for edge in periods.edges[1:]]
    ends = (
        f"transform(at, {query.bind(periods.starts_ms, 'Array(Int64)')}, {query.bind(until, 'Array(Int64)')})"
    )
    weights = f"""transform(event, {query.bind(list(trending.WEIGHTS), "Array(String)")},
        {query.bind(list(trending.WEIGHTS.values()), "Array(Float64)")}, toFloat64(0))"""
    half_life = query.bind(trending.HALF_LIFE_H * 3_600_000, "Float64")
    return f"""
        SELECT at, content_type, object_id,
            sumIf(times, {of("content_viewed")}) AS view_count,
            countIf({of("content_viewed")}) AS unique_views,
            if(sum(timed) = 0, NULL, sum(seconds) / sum(timed)) AS time_on_page,
            if(any(visits) = 0, NULL, any(bounced) / any(visits)) AS bounce_rate,
            sumIf(times, {of("content_shared")}) AS social_shares,
            sumIf(times, {of("content_commented")}) AS comments_count,
            sumIf(times, {of("content_liked")}) AS likes_count,
            sumIf(times, {of("search_result_shown")}) AS search_appearances,
            if(search_appearances = 0, NULL, sumIf(times, {of("search_result_clicked")}) / search_appearances)
                AS click_through_rate,
            if(view_count = 0, NULL, (social_shares + comments_count + likes_count) / view_count)
                AS engagement_rate,
            sum({weights} * exp2(-greatest({ends} - latest, 0) / {half_life})) AS heat
        FROM ({_acts(query, periods, piece)}) AS acts
        LEFT JOIN ({_visits(query, periods, piece)}) AS seen_in USING (at, piece)
        GROUP BY at, content_type, object_id
    """


def _acts(query: Query, periods: Periods, piece: Piece | None) -> str:
    """What each person did with each piece, a row for each name of event."""
    measured = f"{query.matches(events('content_left'))} AND ifNull(duration_s >= 0, false)"
    found = f"""
        SELECT {query.period(periods)} AS at, toString(content_type) AS type, object_id, event, user,
            count() AS times, max({MS}) AS latest, countIf({measured}) AS timed,
            sumIf(assumeNotNull(duration_s), {measured}) AS seconds
        FROM {query.events(_CONTENT, periods.start, periods.end)} AND {_is(query, piece)}
        GROUP BY at, type, object_id, event, user
    """
    return f"""
        SELECT found.at AS at, found.type AS content_type, found.object_id AS object_id, found.event AS event,
            cityHash64(found.type, found.object_id) AS piece, {PERSON} AS person, sum(found.times) AS times,
            max(found.latest) AS latest, sum(found.timed) AS timed, sum(found.seconds) AS seconds
        FROM {of_persons(found)} GROUP BY at, content_type, object_id, event, person
    """


def _visits(query: Query, periods: Periods, piece: Piece | None) -> str:
    """In how many visits each piece (``_PIECE``) was seen, and in how many of these nothing else was done.

    A visit is what a person does on one day of the zone under one session_id, or under none: visits of days
    add up to those of a longer time, which sessions across a midnight would not.
    """
    visit = f"{query.period(periods)} AS at, user, cityHash64(session_id) AS session, {query.day} AS day"
    viewed = f"{query.events(_VIEWED, periods.start, periods.end)} AND {_is(query, piece)}"
    views = f"""
        SELECT {visit}, {_PIECE} AS piece FROM {viewed} GROUP BY at, user, session, day, piece
    """
    return f"""
        SELECT at, piece, sum(seen_in) AS visits, sum(left) AS bounced
        FROM (
            SELECT found.at AS at, found.piece AS piece,
                uniqExact({PERSON}, found.session, found.day) AS seen_in, toUInt64(0) AS left
            FROM {of_persons(views)} GROUP BY at, piece
            UNION ALL
            SELECT at, piece, toUInt64(0) AS seen_in, count() AS left
            FROM ({_bounced(query, periods, piece, visit, viewed)}) GROUP BY at, piece
        )
        GROUP BY at, piece
    """


def _bounced(query: Query, periods: Periods, piece: Piece | None, visit: str, viewed: str) -> str:
    """The visits in which one piece was seen once and nothing else was done, and which piece."""
    chosen = f"{query.matches(_VIEWED)} AND {query.chosen} AND {_is(query, piece)}"
    source = f"{query.source(periods.start, periods.end)} AND {query.matches(ACTIVE)}"
    if piece is not None:
        persons = f"SELECT {PERSON} AS user FROM {of_persons(f'SELECT user FROM {viewed} GROUP BY user')}"
        others = f"SELECT user FROM ({PERSON_OF_USER}) WHERE person IN ({persons})"
        source += f" AND user IN ({persons} UNION ALL {others})"
    acts = f"""
        SELECT {visit}, countIf(event = 'content_viewed') AS seen, countIf(event = '$pageview') AS pages,
            countIf(event NOT IN {query.bind(_LOOKED, "Array(String)")}) AS interactions,
            maxIf({_PIECE}, {chosen}) AS piece
        FROM {source} GROUP BY at, user, session, day
    """
    return f"""
        SELECT found.at AS at, max(found.piece) AS piece
        FROM {of_persons(acts)} GROUP BY at, {PERSON}, found.session, found.day
        HAVING sum(found.seen) = 1 AND sum(found.pages) <= 1 AND sum(found.interactions) = 0 AND piece != 0
    """


def _is(query: Query, piece: Piece | None) -> str:
    """Whether an event is of the piece, or of any."""
    if piece is None:
        return "content_type != '' AND object_id != ''"
    return (
        f"content_type = {query.bind(piece.content_type, 'String')} "
        f"AND object_id = {query.bind(piece.object_id, 'String')}"
    )


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


async def _with_sources(store: Store, scope: Scope, periods: Periods, rows: Rows) -> list[PieceNumbers]:
    sources = await _sources(store, scope, periods, {(row["content_type"], row["object_id"]) for row in rows})
    return [_numbers_of(row, periods, sources) for row in rows]


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
    store: Store, scope: Scope, periods: Periods, pieces: set[tuple[str, str]]
) -> Mapping[tuple[int, str, str], Mapping[str, int]]:
    """Views of each piece by source: its campaign, else the site that linked to it."""
    found: dict[tuple[int, str, str], dict[str, int]] = defaultdict(dict)
    if not pieces:
        return found
    query = Query(scope)
    types, ids = (query.bind(list(part), "Array(String)") for part in zip(*sorted(pieces), strict=True))
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
        FROM {query.events(_VIEWED, periods.start, periods.end)}
            AND (content_type, object_id) IN (
                SELECT piece.1, piece.2 FROM (SELECT arrayJoin(arrayZip({types}, {ids})) AS piece)
            )
        GROUP BY at, type, object, source
        ORDER BY views DESC, source LIMIT {MAX_SOURCES} BY at, type, object
        """,
    )
    for row in rows:
        found[row["at"], row["type"], row["object"]][row["source"]] = row["views"]
    return found
