"""/api/analytics/insights: what was found without anybody asking, and what people say of it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from loopin_api.body import json_body
from loopin_api.envelope import Moment, Success
from loopin_api.errors import ApiError
from loopin_api.ids import answered_id
from loopin_api.openapi import COMMON, WITH_BODY, failures, request_body, success
from loopin_api.pages import Page, Paged
from loopin_api.queries import insights as asked
from loopin_api.queries.insights import InsightState, Known, Wanted
from loopin_api.services import Reader, Services, Use, Writer
from loopin_api.time_filters import TimeFilters, Times
from loopin_api.timespan import MAX_DAYS, timezone
from loopin_schemas.insight import Insight as Found
from loopin_schemas.insight import InsightType, Priority, TargetType
from loopin_sinks.insights.marks import keep_mark
from loopin_sinks.metric_values.scope import from_epoch_ms

router = APIRouter(tags=["insights"])

InsightId = Annotated[str, Path(max_length=2_000, description="The insight's id, as the list shows it.")]

_TYPE: Final = "Only insights of this type."
_TARGET_TYPE: Final = "Only those about a metric, a user, or a piece of content."
_TARGET: Final = (
    "Only those about this one: name of a metric, id of a user, or `type/id` of a piece of content."
)
_PRIORITY: Final = "Only those as urgent as this."
_ACTIONABLE: Final = "Only those with, or only those without something to do about them."
_STATE: Final = "Only those in this state."


class CauseAnswer(BaseModel):
    """One of the strongest reasons of a score."""

    feature: str = Field(description="Name of what the model reads.")
    about: str = Field(description="The same in words.")
    effect: Literal["raises", "lowers"] = Field(description="What it does to the score.")


class EvidenceAnswer(BaseModel):
    """What an insight rests on; values in the metric's unit, ratios 0 to 1."""

    metric: str = Field(
        description="Name of the metric; or `persona_distance` from a persona's middle, `churn_score`, "
        "`conversion_score`, `trending_score`, or the kind of a user's anomaly."
    )
    grain: str = Field(description="Length of the period that the insight is about.")
    start: Moment = Field(description="Its start, ISO 8601 in UTC.")
    value: float = Field(description="What the metric came to in it, in its unit.")
    calculated_at: Moment = Field(description="When that was calculated, ISO 8601 in UTC.")
    expected: float = Field(
        description="What is usual, was forecast, or is the target, in the same unit; of personas the "
        "distance to the next one, of users' scores from which on they are told of, of content the score a "
        "day before."
    )
    low: float | None = Field(description="From which on nothing is said, in the same unit; null for none.")
    high: float | None = Field(description="Up to which nothing is said, in the same unit; null for none.")
    compared: list[Moment] = Field(
        description="Starts of the periods that tell what is usual, ISO 8601 in UTC."
    )
    forecast_made_at: Moment | None = Field(
        description="When the forecast was made that it is judged by, ISO 8601 in UTC; null for none."
    )
    model_version: str | None = Field(description="Version of the models that say so; null for none.")
    since: Moment | None = Field(
        description="Start of the first of the periods in a row that were not as expected, ISO 8601 in UTC; "
        "null where it is about one period. Of a user's anomaly, when it began."
    )
    reasons: list[CauseAnswer] = Field(
        description="Of a user's score the strongest reasons, strongest first; else empty."
    )


class DismissalAnswer(BaseModel):
    """Who is done with an insight."""

    by: str = Field(description="Who: the token's user, or the key.")
    at: Moment = Field(description="Since when, ISO 8601 in UTC.")
    comment: str = Field(description="What they say.")


class RatingAnswer(BaseModel):
    """The newest rating of an insight."""

    useful: bool = Field(description="Whether it was useful.")
    by: str = Field(description="Who says so: the token's user, or the key.")
    at: Moment = Field(description="Since when, ISO 8601 in UTC.")
    comment: str = Field(description="What they say.")


class InsightAnswer(BaseModel):
    """A finding about users or the business, as it is now."""

    id: str = Field(description="The insight; found again, it has the same.")
    insight_type: InsightType = Field(description="Kind of finding.")
    target_type: TargetType = Field(description="What it is about: a metric, a user or a piece of content.")
    target_id: int | str = Field(description="Name of the metric, id of the user, or `type/id` of the piece.")
    title: str = Field(description="One line for a person.")
    description: str = Field(description="What was found, with numbers.")
    confidence_score: float = Field(ge=0, le=1, description="How sure the method is, ratio 0 to 1.")
    is_actionable: bool = Field(description="Whether there is something to do about it.")
    suggested_actions: list[str] = Field(description="What that is, one sentence each.")
    priority: Priority = Field(description="How urgent it is.")
    created_at: Moment = Field(description="When it was found first, ISO 8601 in UTC.")
    expires_at: Moment = Field(description="Until when it is of interest, ISO 8601 in UTC.")
    state: InsightState = Field(
        description="dismissed, where somebody is done with it; else withdrawn, where it no longer holds; "
        "else expired, where it is of interest no longer; else open."
    )
    dismissed: DismissalAnswer | None = Field(description="Who dismissed it last, and when; null for nobody.")
    rating: RatingAnswer | None = Field(description="How it was rated last; null where it was not.")
    evidence: EvidenceAnswer = Field(description="What it rests on.")


class InsightPage(BaseModel):
    """A page of insights."""

    count: int = Field(description="Insights on all pages, count.")
    next: str | None = Field(
        description="Address of the next page, relative to the host; null on the last. Where the list was "
        "asked for by POST, send the same body there."
    )
    previous: str | None = Field(description="The same of the page before; null on the first.")
    results: list[InsightAnswer] = Field(description="Those that were found last first.")


class InsightQuery(BaseModel):
    """Which insights, as the parameters of the GET say it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    type: InsightType | None = Field(None, description=_TYPE)
    target_type: TargetType | None = Field(None, description=_TARGET_TYPE)
    target_id: int | Annotated[str, Field(max_length=2_000)] | None = Field(None, description=_TARGET)
    priority: Priority | None = Field(None, description=_PRIORITY)
    actionable: bool | None = Field(None, description=_ACTIONABLE)
    state: InsightState | None = Field(None, description=_STATE)
    start: str | None = Field(
        None,
        alias="from",
        max_length=100,
        description="Start, included: ISO 8601, or relative such as `-7d`; 30 days before `to` without it.",
    )
    end: str | None = Field(
        None, alias="to", max_length=100, description="End, excluded: ISO 8601 or relative. Default: now."
    )
    days: int | None = Field(
        None, ge=1, le=MAX_DAYS, description="Instead of `from` and `to`: today so far, and the days before."
    )
    tz: str | None = Field(
        None, max_length=100, description="Time zone of times without an offset; the project's by default."
    )


class DismissRequest(BaseModel):
    """Somebody is done with an insight."""

    model_config = ConfigDict(strict=True, extra="forbid")

    comment: str = Field("", max_length=500, description="Why, or what was done about it.")


class RateRequest(BaseModel):
    """What somebody thinks of an insight."""

    model_config = ConfigDict(strict=True, extra="forbid")

    useful: bool = Field(description="Whether it is useful.")
    comment: str = Field("", max_length=500, description="Why.")


EXAMPLE: Final[dict[str, Any]] = {
    "id": "shop/metric_change/dau/2026-01-14",
    "insight_type": "metric_change",
    "target_type": "metric",
    "target_id": "dau",
    "title": "DAU was unusually low on Wednesday 14 January (-50%)",
    "description": "100 on Wednesday 14 January, where 201 is usual and up to 151 is within chance.",
    "confidence_score": 0.99,
    "is_actionable": True,
    "suggested_actions": ["See its days: /api/analytics/metrics/dau?grain=day."],
    "priority": "critical",
    "created_at": "2026-01-15T06:20:00.000Z",
    "expires_at": "2026-01-22T00:00:00.000Z",
    "state": "open",
    "dismissed": None,
    "rating": None,
    "evidence": {
        "metric": "dau",
        "grain": "day",
        "start": "2026-01-14T00:00:00.000Z",
        "value": 100.0,
        "calculated_at": "2026-01-15T00:05:00.000Z",
        "expected": 201.0,
        "low": 151.0,
        "high": 251.0,
        "compared": ["2026-01-07T00:00:00.000Z"],
        "forecast_made_at": None,
        "model_version": None,
        "since": None,
        "reasons": [],
    },
}
_SAID: Final = {"by": "asha", "at": "2026-01-15T10:30:00.000Z", "comment": "A holiday."}
_DISMISSED: Final = {**EXAMPLE, "state": "dismissed", "dismissed": _SAID}
_RATED: Final = {**EXAMPLE, "rating": {"useful": False, **_SAID}}
_PAGE: Final = {"count": 1, "next": None, "previous": None, "results": [EXAMPLE]}


def _filters(
    times: Times,
    type: Annotated[InsightType | None, Query(description=_TYPE)] = None,
    target_type: Annotated[TargetType | None, Query(description=_TARGET_TYPE)] = None,
    target_id: Annotated[str | None, Query(max_length=2_000, description=_TARGET)] = None,
    priority: Annotated[Priority | None, Query(description=_PRIORITY)] = None,
    actionable: Annotated[bool | None, Query(description=_ACTIONABLE)] = None,
    state: Annotated[InsightState | None, Query(description=_STATE)] = None,
) -> Wanted:
    return Wanted(
        span=times.span(),
        insight_type=type,
        target_type=target_type,
        target_id=target_id,
        priority=priority,
        is_actionable=actionable,
        state=state,
    )


@router.get(
    "/api/analytics/insights",
    summary="List insights",
    responses={**success("A page of insights.", _PAGE), **failures(404, *COMMON)},
)
async def get_insights(
    use: Use, caller: Reader, page: Paged, wanted: Annotated[Wanted, Depends(_filters)]
) -> Success[InsightPage]:
    """Insights that were of interest at some time of the last 30 days, or of the time asked for.

    Those that were found last come first; `state=open` lists what is of interest now. Needs the scope `read`.
    """
    return Success(data=await _page(use, caller.project, wanted, page))


@router.post(
    "/api/analytics/insights",
    summary="List insights, asked for by a body",
    responses={**success("A page of insights.", _PAGE), **failures(404, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(
        InsightQuery,
        {"all": {}, "urgent": {"priority": "critical", "actionable": True, "state": "open", "from": "-7d"}},
        required=False,
    ),
)
async def post_insights(
    use: Use,
    caller: Reader,
    page: Paged,
    body: Annotated[InsightQuery, Depends(json_body(InsightQuery, required=False))],
) -> Success[InsightPage]:
    """The same list as the GET answers, its filters in the body. A query: nothing is generated.

    Needs the scope `read`.
    """
    own = use.projects.zone(caller.project)
    zone = own if body.tz is None else timezone(body.tz)
    wanted = Wanted(
        span=TimeFilters(body.start, body.end, body.days, use.clock(), zone, own).span(),
        insight_type=body.type,
        target_type=body.target_type,
        target_id=None if body.target_id is None else str(body.target_id),
        priority=body.priority,
        is_actionable=body.actionable,
        state=body.state,
    )
    return Success(data=await _page(use, caller.project, wanted, page))


@router.get(
    "/api/analytics/insights/{id:path}",
    summary="One insight",
    responses={**success("The insight.", EXAMPLE), **failures(404, *COMMON)},
)
async def get_insight(use: Use, caller: Reader, id: InsightId) -> Success[InsightAnswer]:
    """An insight as it is now, and what people say of it. Needs the scope `read`."""
    return Success(data=answer_of(await known_insight(use, caller.project, id)))


@router.post(
    "/api/analytics/insights/{id:path}/dismiss",
    summary="Dismiss an insight",
    responses={**success("It is dismissed.", _DISMISSED), **failures(404, 409, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(
        DismissRequest, {"as it is": {}, "comment": {"comment": "A holiday."}}, required=False
    ),
)
async def post_dismiss(
    use: Use,
    caller: Writer,
    id: InsightId,
    body: Annotated[DismissRequest, Depends(json_body(DismissRequest, required=False))],
) -> Success[InsightAnswer]:
    """Says that you are done with an insight, for all who read the project's.

    It is not in the overview any more, and the live feed does not tell of it again, also where it is found
    again. Dismissed once more, who and why are those of the last time. One that is withdrawn or expired is
    answered with 409. Needs the scope `write`.
    """
    known = await known_insight(use, caller.project, id)
    if known.state in ("withdrawn", "expired"):
        reason = f"This insight is {known.state}: there is nothing to dismiss."
        raise ApiError(409, "INSIGHT_OVER", reason)
    await keep_mark(
        use.store, caller.project, id, "dismissed", by=caller.author, at=use.clock(), comment=body.comment
    )
    return Success(data=answer_of(await known_insight(use, caller.project, id)))


@router.post(
    "/api/analytics/insights/{id:path}/rate",
    summary="Rate an insight",
    responses={**success("It is rated.", _RATED), **failures(404, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(RateRequest, {"useless": {"useful": False, "comment": "A holiday."}}),
)
async def post_rate(
    use: Use,
    caller: Writer,
    id: InsightId,
    body: Annotated[RateRequest, Depends(json_body(RateRequest))],
) -> Success[InsightAnswer]:
    """Says whether an insight is useful, in whatever state it is.

    It is kept as a label for three years: of each person the newest, and the newest of all is the insight's
    `rating`. Needs the scope `write`.
    """
    await known_insight(use, caller.project, id)
    await keep_mark(
        use.store,
        caller.project,
        id,
        "rated",
        by=caller.author,
        at=use.clock(),
        useful=body.useful,
        comment=body.comment,
    )
    return Success(data=answer_of(await known_insight(use, caller.project, id)))


async def known_insight(use: Services, project: str, id: str) -> Known:
    """The insight of this id.

    Raises:
        ApiError: 404, there is none.
        StoreError: the store did not answer.
    """
    found = await asked.insight(use.store, project, id, use.clock())
    if found is None:
        raise ApiError(
            404, "UNKNOWN_INSIGHT", "There is no such insight; GET /api/analytics/insights lists them."
        )
    return found


async def _page(use: Services, project: str, wanted: Wanted, page: Page) -> InsightPage:
    count, found = await asked.insights(use.store, project, wanted, use.clock(), page.size, page.offset)
    page.check(count)
    following, previous = page.links(count)
    return InsightPage(
        count=count, next=following, previous=previous, results=[answer_of(each) for each in found]
    )


def answer_of(known: Known) -> InsightAnswer:
    """As it is answered."""
    of = known.insight
    return InsightAnswer.model_validate(
        {
            **{name: getattr(of, name) for name in Found.__struct_fields__ if name != "project"},
            "target_id": answered_id(of.target_id),
            "created_at": from_epoch_ms(of.created_at),
            "expires_at": from_epoch_ms(of.expires_at),
            "state": known.state,
            "dismissed": known.dismissed,
            "rating": known.rating,
            "evidence": {name: _timed(of.evidence, name) for name in EvidenceAnswer.model_fields},
        },
        from_attributes=True,
    )


_TIMES: Final = frozenset({"start", "calculated_at", "forecast_made_at", "since"})


def _timed(evidence: object, name: str) -> Any:
    value = getattr(evidence, name)
    if name == "compared":
        return [from_epoch_ms(at) for at in value]
    return from_epoch_ms(value) if name in _TIMES and value is not None else value
