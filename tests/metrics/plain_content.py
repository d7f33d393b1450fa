"""Pieces of content once more, as their definitions read, over a list of events.

It shares nothing with the code that is judged by it, the scores included.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.metrics.plain import NO_INTERACTION, Act, World, between, first_text, mean, numbers, over, persons

OF_CONTENT = {
    "content_viewed",
    "content_left",
    "content_liked",
    "content_commented",
    "content_shared",
    "search_result_shown",
    "search_result_clicked",
}
LOOKING = NO_INTERACTION | {
    "content_viewed",
    "content_left",
    "search_result_shown",
    "recommendation_shown",
}
WORTH = {"content_viewed": 1, "content_liked": 3, "content_commented": 5, "content_shared": 8}


class Piece(NamedTuple):
    content_type: str
    object_id: str


def piece_of(act: Act) -> Piece | None:
    """The piece that an event is of."""
    kind, named = first_text(act, "content_type"), first_text(act, "object_id")
    return Piece(kind, named) if act.name in OF_CONTENT and kind and named else None


def pieces(world: World, start: datetime, end: datetime) -> set[Piece]:
    found = (piece_of(act) for act in between(world.acts, start, end))
    return {piece for piece in found if piece}


def content(world: World, piece: Piece, start: datetime, end: datetime) -> dict[str, Any]:
    """All that is told of a piece over the bucket."""
    acts = [act for act in between(world.acts, start, end) if piece_of(act) == piece]
    many = Counter(act.name for act in acts)
    views = [act for act in acts if act.name == "content_viewed"]
    reactions = many["content_liked"] + many["content_commented"] + many["content_shared"]
    told = {
        "view_count": len(views),
        "unique_views": len(persons(views)),
        "time_on_page": mean(numbers([act for act in acts if act.name == "content_left"], "duration_s", 0)),
        "bounce_rate": bounce_rate(world, piece, start, end),
        "social_shares": many["content_shared"],
        "comments_count": many["content_commented"],
        "likes_count": many["content_liked"],
        "search_appearances": many["search_result_shown"],
        "click_through_rate": over(many["search_result_clicked"], many["search_result_shown"]),
        "engagement_rate": over(reactions, len(views)),
    }
    return {
        **told,
        "quality_score": quality(told),
        "trending_score": trending(acts, min(end, world.now)),
        "traffic_sources": dict(Counter(map(source, views))),
    }


def bounce_rate(world: World, piece: Piece, start: datetime, end: datetime) -> float | None:
    """Of the visits (a person, a day, a session's id or none) with a view of it, those with nothing else."""
    visits: dict[Any, list[Act]] = defaultdict(list)
    for act in between(world.active, start, end):
        visits[act.person, act.day, act.session].append(act)
    with_it = [
        visit
        for visit in visits.values()
        if any(act.name == "content_viewed" and piece_of(act) == piece for act in visit)
    ]
    return over(sum(map(looked_only, with_it)), len(with_it))


def looked_only(visit: Sequence[Act]) -> bool:
    names = [act.name for act in visit]
    return names.count("content_viewed") == 1 and names.count("$pageview") <= 1 and set(names) <= LOOKING


def quality(told: dict[str, Any]) -> float | None:
    """The published formula."""
    views = told["view_count"]
    if not views:
        return None

    def part(name: str, half: float) -> float:
        value = told[name]
        return 0.5 if value is None else value / (value + half)

    stay = 0.5 if told["bounce_rate"] is None else 1 - told["bounce_rate"]
    parts = (
        0.35 * part("engagement_rate", 0.1)
        + 0.30 * part("time_on_page", 60)
        + 0.20 * stay
        + 0.15 * part("click_through_rate", 0.05)
    )
    return float(0.5 + (parts - 0.5) * views / (views + 20))


def trending(acts: Sequence[Act], now: datetime) -> float:
    """The published formula: each person's latest act of each kind, halved every 24 hours."""
    latest: dict[tuple[str, str], datetime] = {}
    for act in acts:
        if act.name in WORTH:
            latest[act.person, act.name] = max(act.at, latest.get((act.person, act.name), act.at))
    hours = {key: max((now - at).total_seconds(), 0) / 3600 for key, at in latest.items()}
    heat = sum(WORTH[name] * 0.5 ** (hours[person, name] / 24) for person, name in latest)
    return float(heat / (heat + 50))


def source(view: Act) -> str:
    """Where a view came from."""
    campaign = first_text(view, "campaign_source", "utm_source")
    if campaign:
        return campaign
    site = host(first_text(view, "referrer", "$referrer"))
    if not site:
        return "direct"
    return "internal" if site == host(first_text(view, "url", "$current_url")) else site


def host(address: str | None) -> str:
    return (urlsplit(address or "").hostname or "").removeprefix("www.")
