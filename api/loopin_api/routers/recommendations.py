"""GET /api/analytics/recommendations/...: what to show a user next, what is like it, what went well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from loopin_api.envelope import Moment, Success
from loopin_api.errors import ApiError
from loopin_api.ids import answered_id
from loopin_api.openapi import COMMON, failures, success
from loopin_api.services import Reader, Use
from loopin_sinks.metric_values.scope import scope_of
from loopin_sinks.recommendations.hints import Hint, Measure, Subject, hints
from loopin_sinks.recommendations.recommend import (
    Item,
    Recommended,
    recommended_communities,
    recommended_events,
)
from loopin_sinks.recommendations.similar import similar_communities, similar_events
from loopin_sinks.recommendations.stored import ItemType

router = APIRouter(tags=["recommendations"])

DEFAULT_LIMIT: Final = 10
MAX_LIMIT: Final = 100

Kind = Literal["events", "communities"]
Limit = Annotated[
    int, Query(ge=1, le=MAX_LIMIT, description=f"Most items in the answer, count, {MAX_LIMIT} at most.")
]


class RecommendedItem(BaseModel):
    """One item."""

    type: ItemType = Field(description="What it is.")
    id: int | str = Field(description="Its `event_id` or `community_id`.")
    score: float = Field(
        description="Of recommendations the estimated probability that a user who takes anything in the next "
        "week takes it (joins an event, joins or looks into a community), of similar items their "
        "likeness; 0 to 1."
    )
    why: list[str] = Field(description="What speaks for it, one sentence each, the weightiest first.")


class Ranking(BaseModel):
    """How items were ranked, and how good that was."""

    model_version: str = Field(description="Names the model: a digest of its weights.")
    method: Literal["learned", "by_hand"] = Field(
        description="`by_hand` before the task `refresh_recommendations` has seen 100 items taken."
    )
    precision_at_10: float | None = Field(
        description="Of ten recommendations of a week before the task's last run, those taken in that week "
        "by users who took any, ratio 0 to 1; null where nobody did, or before the first run."
    )
    popularity_precision_at_10: float | None = Field(
        description="The same where the most popular items are recommended to everybody, ratio 0 to 1."
    )
    measured_at: Moment | None = Field(description="When that was measured, ISO 8601 in UTC.")


class Recommendations(BaseModel):
    """What to show a user."""

    items: list[RecommendedItem] = Field(
        description="Best first: platform events that are open now and that the user has not joined, or "
        "communities that they are no member of and that do not refuse them by place."
    )
    ranking: Ranking = Field(description="How they were ranked.")


class Similar(BaseModel):
    """What is like something."""

    items: list[RecommendedItem] = Field(description="The most alike first.")


class ContentHint(BaseModel):
    """Items with one value of an attribute did better or worse than all others."""

    subject: Subject = Field(description="Which items.")
    by: str = Field(
        description="Attribute: `category`, `price` (free, or a third of those in its currency), `city`, "
        "`start_weekday`, `start_hours`, `announced`; of content `content_type`, `published_weekday`, "
        "`published_hours`. Days and hours are the project's."
    )
    value: str = Field(description="Its value.")
    measure: Measure = Field(description="What is compared.")
    mean: float = Field(description="Mean of the items with that value, count; of the last measure a ratio.")
    others: float = Field(description="Mean of all others, in the same unit.")
    change_percentage: float | None = Field(
        description="The first beside the second, percent; null where the others have nothing."
    )
    items: int = Field(description="Items with that value, count.")
    other_items: int = Field(description="All others, count.")
    standard_errors: float = Field(
        description="The difference in standard errors: beyond 3.5 either way it is hardly chance."
    )
    text: str = Field(description="The same in one sentence.")


class ContentHints(BaseModel):
    """What went well with others."""

    hints: list[ContentHint] = Field(description="The clearest first.")


_ITEM = {
    "type": "event",
    "id": "event-17",
    "score": 0.21,
    "why": ["It is in Pune, where you are.", "You care for music more than others do."],
}
_RANKING = {
    "model_version": "5e1fc3a07b1d9c42",
    "method": "learned",
    "precision_at_10": 0.066,
    "popularity_precision_at_10": 0.021,
    "measured_at": "2026-01-15T03:50:00.000Z",
}
_HINT = {
    "subject": "platform_event",
    "by": "price",
    "value": "free",
    "measure": "joins",
    "mean": 9.1,
    "others": 5.2,
    "change_percentage": 75.0,
    "items": 140,
    "other_items": 261,
    "standard_errors": 6.4,
    "text": "Free platform events had 9.1 joins on average, all others 5.2 (140 and 261 of them).",
}


@router.get(
    "/api/analytics/recommendations/similar/{type}/{id:path}",
    summary="What is like an event or a community",
    responses={**success("What is like it", {"items": [_ITEM]}), **failures(404, *COMMON)},
)
async def get_similar(
    caller: Reader,
    use: Use,
    type: Annotated[Kind, Path(description="What it is.")],
    id: Annotated[str, Path(description="Its `event_id` or `community_id`.")],
    limit: Limit = DEFAULT_LIMIT,
) -> Success[Similar]:
    """Open platform events by category, city, host and price; communities by whom they share.

    Communities are compared by the task `refresh_recommendations`. Needs the scope `read`.
    """
    scope = scope_of(use.projects, caller.project, use.clock())
    if type == "communities":
        found = await similar_communities(use.store, scope, id, limit)
        if found is None:
            raise ApiError(404, "UNKNOWN_COMMUNITY", "No event names a community of this id; correct the id.")
        return Success(data=Similar(items=_items(found)))
    found = await similar_events(use.recommended, scope, id, limit)
    if found is None:
        raise ApiError(
            404,
            "UNKNOWN_EVENT",
            "No `event_created` that is kept is of this id; correct the id.",
        )
    return Success(data=Similar(items=_items(found)))


@router.get(
    "/api/analytics/recommendations/{user_id:path}",
    summary="Recommendations for a user",
    responses={
        **success("What to show them", {"items": [_ITEM], "ranking": _RANKING}),
        **failures(404, *COMMON),
    },
)
async def get_recommendations(
    caller: Reader,
    use: Use,
    user_id: Annotated[str, Path(max_length=400, description="Any distinct_id of the user.")],
    type: Annotated[Kind, Query(description="What to recommend.")] = "events",
    limit: Limit = DEFAULT_LIMIT,
) -> Success[Recommendations]:
    """Computed from the events as they are. A user nobody knows gets what is popular.

    Needs the scope `read`.
    """
    if user_id.partition("/")[0] == "similar":
        raise ApiError(
            404, "NOT_FOUND", "Name what it is similar to: similar/events/{id} or similar/communities/{id}."
        )
    scope = scope_of(use.projects, caller.project, use.clock())
    ask = recommended_events if type == "events" else recommended_communities
    found = await ask(use.recommended, scope, user_id, limit)
    return Success(data=Recommendations(items=_items(found.items), ranking=_ranking(found)))


@router.get(
    "/api/analytics/content-hints",
    summary="What went well with others",
    responses={**success("The hints", {"hints": [_HINT]}), **failures(*COMMON)},
)
async def get_content_hints(caller: Reader, use: Use, limit: Limit = DEFAULT_LIMIT) -> Success[ContentHints]:
    """Of platform events and content of the last 90 days: categories, prices, days and hours that did better
    or worse than all others by more than chance. What goes together need not be the cause.

    Needs the scope `read`.
    """
    found = await hints(use.recommended, scope_of(use.projects, caller.project, use.clock()))
    return Success(data=ContentHints(hints=[_hint(hint) for hint in found[:limit]]))


def _items(found: Sequence[Item]) -> list[RecommendedItem]:
    return [
        RecommendedItem(
            type=item.type, id=answered_id(item.id), score=round(item.score, 4), why=list(item.why)
        )
        for item in found
    ]


def _ranking(of: Recommended) -> Ranking:
    return Ranking(
        model_version=of.ranker.version,
        method="learned" if of.ranker.learned else "by_hand",
        precision_at_10=_rounded(of.model.precision) if of.model else None,
        popularity_precision_at_10=_rounded(of.model.popularity) if of.model else None,
        measured_at=of.model.at if of.model else None,
    )


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 4)


def _hint(of: Hint) -> ContentHint:
    return ContentHint(
        subject=of.subject,
        by=of.by,
        value=of.value,
        measure=of.measure,
        mean=round(of.mean, 4),
        others=round(of.others, 4),
        change_percentage=None if of.change is None else round(of.change * 100, 1),
        items=of.items,
        other_items=of.other_items,
        standard_errors=round(of.errors, 2),
        text=of.text,
    )
