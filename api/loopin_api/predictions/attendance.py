"""``kind=attendance``: how many are going to come to a platform event."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from loopin_api.auth import Caller
from loopin_api.envelope import Detail, Moment
from loopin_api.errors import ApiError, invalid
from loopin_api.ids import answered_id
from loopin_api.predictions.kind import Kind
from loopin_api.predictions.scores import Limit, Offset
from loopin_api.services import Services
from loopin_sinks.metric_values.scope import scope_of
from loopin_sinks.scores.attendance import ever_joined, is_cancelled, participants
from loopin_streams.learning.head_count import head_count

MANY: Final = 500
"""Of so many participants the head count takes half a millisecond, and is left to a thread."""

UNCOUNTED: Final = timedelta(minutes=2)
"""So long after a join is stored it may be that its profile is not yet: they are some 10 s behind while much
comes, and more where the store is behind."""


class ParticipantRow(BaseModel):
    """Somebody who has joined."""

    user_id: int | str = Field(description="The user, by the distinct_id that names the person.")
    score: float = Field(description="Probability to come, 0 to 1, as of when the user joined; 1: came.")
    joined_at: Moment = Field(description="When that was, ISO 8601 in UTC.")
    method: Literal["model", "heuristic"] = Field(description="Whether a model or a heuristic answered.")
    model_version: int | None = Field(description="Version of the model; null for the heuristic.")


NOT_OPEN: Final = (
    "Nothing is predicted of those who joined any more: the event is over, or the joins are old and did not "
    "name its start."
)
NOT_YET: Final = "Somebody has joined just now and is not counted yet: ask again in some seconds."
CANCELLED: Final = "Nobody is expected: the event is cancelled."


class AttendanceAnswer(BaseModel):
    """How many are going to come."""

    kind: Literal["attendance"] = Field(description="What was asked for.")
    event_id: int | str = Field(description="The platform event.")
    joined: int | None = Field(
        description="Participants of whom it is open whether they come, or who have, each person once, a "
        "number; null, as the three below, where somebody joined and it is open of nobody any more, or not "
        "known yet, or where the event is cancelled."
    )
    expected: float | None = Field(
        description="How many of them are expected, those who came included, a number."
    )
    low_80: int | None = Field(description="Lower end of the interval that holds the number with 80 %.")
    high_80: int | None = Field(description="Its upper end.")
    reason: str | None = Field(description="Why there is no number, a sentence; null where there is one.")
    participants: list[ParticipantRow] = Field(description="Some of them, by when they joined.")


@dataclass(frozen=True, slots=True)
class AttendanceParameters:
    """Of which platform event, and which of its participants are told."""

    event_id: str | None
    limit: int
    offset: int


def attendance_parameters(
    event_id: Annotated[
        str | None, Query(max_length=200, description="Of attendance: the platform event's id.")
    ] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> AttendanceParameters:
    """Parameters of the kind."""
    return AttendanceParameters(event_id, limit, offset)


async def _predict(use: Services, caller: Caller, asked: AttendanceParameters) -> AttendanceAnswer:
    if not asked.event_id:
        raise invalid([Detail(field="event_id", reason="Say of which platform event.")])
    if await is_cancelled(use.store, caller.project, asked.event_id):
        return _no_number(asked.event_id, CANCELLED)
    now = use.clock()
    scope = scope_of(use.projects, caller.project, now)
    found = await participants(use.store, scope, asked.event_id, limit=asked.limit, offset=asked.offset)
    if not found.chances:
        ever = await ever_joined(use.store, scope, asked.event_id)
        if ever is None:
            raise ApiError(
                404, "UNKNOWN_EVENT", "No event names a platform event of this id; correct the id."
            )
        if ever.stored is not None:
            return _no_number(asked.event_id, NOT_YET if now - ever.stored < UNCOUNTED else NOT_OPEN)
    if len(found.chances) < MANY:
        count = head_count(found.chances)
    else:
        count = await asyncio.to_thread(head_count, found.chances)
    return AttendanceAnswer(
        kind="attendance",
        event_id=answered_id(asked.event_id),
        joined=len(found.chances),
        expected=round(count.expected, 2),
        low_80=count.low,
        high_80=count.high,
        reason=None,
        participants=[
            ParticipantRow(
                user_id=answered_id(one.person),
                score=one.chance,
                joined_at=one.joined,
                method="model" if one.version else "heuristic",
                model_version=one.version or None,
            )
            for one in found.some
        ],
    )


def _no_number(event_id: str, reason: str) -> AttendanceAnswer:
    return AttendanceAnswer(
        kind="attendance",
        event_id=answered_id(event_id),
        joined=None,
        expected=None,
        low_80=None,
        high_80=None,
        reason=reason,
        participants=[],
    )


ATTENDANCE_KIND: Final = Kind(
    name="attendance",
    description="how many of the participants of a platform event are going to come",
    parameters=attendance_parameters,
    answer=AttendanceAnswer,
    example={
        "kind": "attendance",
        "event_id": "event-789",
        "joined": 12,
        "expected": 8.4,
        "low_80": 6,
        "high_80": 10,
        "reason": None,
        "participants": [
            {
                "user_id": 123,
                "score": 0.71,
                "joined_at": "2026-11-28T10:02:11.000Z",
                "method": "model",
                "model_version": 3,
            }
        ],
    },
    predict=_predict,
)
