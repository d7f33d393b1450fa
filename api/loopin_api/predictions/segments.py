"""``kind=segments``: users by what is predicted of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from loopin_api.auth import Caller
from loopin_api.envelope import Detail
from loopin_api.errors import invalid
from loopin_api.ids import answered_id
from loopin_api.predictions.kind import Kind
from loopin_api.predictions.scores import Limit, Offset
from loopin_api.predictions.segment_rules import SEGMENTS
from loopin_api.queries.overview import MAX_CURRENCIES
from loopin_api.queries.segments import InSegment, segmented
from loopin_api.services import Services
from loopin_sinks.metric_values.scope import scope_of

_NAMES: Final = [segment.name for segment in SEGMENTS]
_MONEY: Final = "in the project's currency"


class SegmentRow(BaseModel):
    """One segment; a user is in the first whose rule holds."""

    name: str = Field(description="Exact name.")
    description: str = Field(description="Who they are.")
    users: int = Field(description="How many users are in it, count.")
    share: float = Field(description="Of all users that are scored, ratio 0 to 1.")
    churn: float | None = Field(
        description="Mean probability of leaving, ratio 0 to 1; null where nobody is in it."
    )
    conversion: float | None = Field(
        description="Mean probability of buying, ratio 0 to 1, of those who have one; null for nobody."
    )
    revenue: float = Field(
        description=f"What they have spent so far, less refunds, {_MONEY} by today's rates; amounts in "
        "currencies without one are in `other_revenue`."
    )
    other_revenue: dict[str, float] = Field(
        description="What they have spent in any currency without a rate, less refunds, by ISO 4217 code; "
        f"not in `revenue`. Of more than {MAX_CURRENCIES} currencies the largest are given."
    )
    personas: dict[str, int] = Field(description="How many are of which persona; `none` for those of none.")
    suggested_action: str = Field(description="What to do about them, one sentence.")
    user_ids: list[int | str] = Field(description="Some of them, those first who are likeliest to leave.")


class SegmentsAnswer(BaseModel):
    """Users by what is predicted of them."""

    kind: Literal["segments"] = Field(description="What was asked for.")
    scored: int = Field(description="Users of whom it is predicted whether they leave, count.")
    currency: str = Field(description="The project's, ISO 4217.")
    top_spent: float | None = Field(
        description="What the fifth of all customers with a churn score that has spent most has spent at "
        f"least, {_MONEY}; null where nobody has spent anything."
    )
    segments: list[SegmentRow] = Field(description="All of them, the most urgent first.")


@dataclass(frozen=True, slots=True)
class SegmentParameters:
    """Of which segments users are named, and which."""

    segment: str | None
    limit: int
    offset: int


def segment_parameters(
    segment: Annotated[
        str | None,
        Query(
            max_length=100,
            description="Of segments: the one whose users are named; of all, without it.",
            json_schema_extra={"enum": _NAMES},
        ),
    ] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> SegmentParameters:
    """Parameters of the kind."""
    return SegmentParameters(segment, limit, offset)


async def _predict(use: Services, caller: Caller, asked: SegmentParameters) -> SegmentsAnswer:
    if asked.segment is not None and asked.segment not in _NAMES:
        reason = f"There is no such segment; use {' or '.join(_NAMES)}."
        raise invalid([Detail(field="segment", reason=reason)])
    scope = scope_of(use.projects, caller.project, use.clock())
    found = await segmented(use.store, scope, asked.segment, limit=asked.limit, offset=asked.offset)
    scored = sum(each.users for each in found.segments)
    return SegmentsAnswer(
        kind="segments",
        scored=scored,
        currency=scope.currency,
        top_spent=found.top_spent,
        segments=[_row(each, scored) for each in found.segments],
    )


def _row(of: InSegment, scored: int) -> SegmentRow:
    return SegmentRow(
        name=of.segment.name,
        description=of.segment.description,
        users=of.users,
        share=of.users / scored if scored else 0.0,
        churn=of.churn,
        conversion=of.conversion,
        revenue=round(of.spent, 6),
        other_revenue=dict(of.unconverted),
        personas={name or "none": users for name, users in of.personas.items()},
        suggested_action=of.segment.action,
        user_ids=[answered_id(person) for person in of.people],
    )


SEGMENTS_KIND: Final = Kind(
    name="segments",
    description="users by what is predicted of them, with what to do about them",
    parameters=segment_parameters,
    answer=SegmentsAnswer,
    example={
        "kind": "segments",
        "scored": 1421,
        "currency": "USD",
        "top_spent": 140.0,
        "segments": [
            {
                "name": SEGMENTS[0].name,
                "description": SEGMENTS[0].description,
                "users": 9,
                "share": 0.0063,
                "churn": 0.81,
                "conversion": 0.04,
                "revenue": 2210.5,
                "other_revenue": {"EUR": 31.0},
                "personas": {"event_regular": 6, "none": 3},
                "suggested_action": SEGMENTS[0].action,
                "user_ids": [123],
            }
        ],
    },
    predict=_predict,
)
