"""What people read, share and look for."""

from __future__ import annotations

from typing import Final

from loopin_schemas.metrics.definition import Count, Events, Quotient, events
from loopin_schemas.metrics.metric import VISIT, Dimension, Metric, Unit

_OWNER: Final = "content"
_PIECE: Final[tuple[Dimension, ...]] = (*VISIT, "content_type")
_VIEWED: Final = events("content_viewed")
_INTERACTIONS: Final = events("content_liked", "content_commented", "content_shared")


def _count(name: str, unit: Unit, of: Events, description: str) -> Metric:
    return Metric(
        name=name,
        kind="kpi",
        category="content",
        unit=unit,
        description=description,
        definition=Count(of),
        dimensions=_PIECE,
        owner=_OWNER,
    )


def _rate(name: str, part: Events, whole: Events, description: str) -> Metric:
    return Metric(
        name=name,
        kind="kpi",
        category="content",
        unit="ratio",
        description=description,
        definition=Quotient(Count(part), Count(whole)),
        dimensions=_PIECE,
        owner=_OWNER,
    )


CONTENT: tuple[Metric, ...] = (
    _count("content_views", "views", _VIEWED, "Pieces of content seen."),
    _count("content_interactions", "count", _INTERACTIONS, "Likes, comments and shares of content."),
    _rate("engagement_rate", _INTERACTIONS, _VIEWED, "Likes, comments and shares / views of content."),
    _rate(
        "click_through_rate",
        events("search_result_clicked"),
        events("search_result_shown"),
        "Search results opened / search results shown.",
    ),
    _rate(
        "recommendation_ctr",
        events("recommendation_clicked"),
        events("recommendation_shown"),
        "Recommendations followed / recommendations shown.",
    ),
    _count("searches", "count", events("search_performed"), "Searches made."),
    _count("shares", "count", events("content_shared"), "Pieces of content shared."),
)
