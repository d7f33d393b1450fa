"""``kind=attendance``: how many are going to come to a platform event."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from loopin_sinks.scores.attendance import Joined, announced, is_named, participants
from loopin_streams.learning.head_count import head_count
from loopin_streams.learning.predictions import MOST_RSVPS
from loopin_streams.learning.targets import ATTENDANCE

MANY: Final = 500
"""Of so many participants the head count takes half a millisecond, and is left to a thread."""

UNCOUNTED: Final = timedelta(minutes=2)
"""So long after a join is stored it may be that its profile is not yet: they are some 10 s behind while much
comes, and more where the store is behind."""

GRACE: Final = timedelta(days=1)
"""So long after it began who comes still counts, as in the examples that models learn from."""

OPEN: Final = timedelta(days=ATTENDANCE.horizon_days)
"""So long after the newest join an event of which nobody says when it begins may still be to come."""


class ParticipantRow(BaseModel):
    """Somebody who has joined."""

    user_id: int | str = Field(description="The user, by the distinct_id that names the person.")
    score: float = Field(
        description="Probability to come, 0 to 1, as of when the user joined; 1: came. Where none is kept of "
        "the user, the mean of the others who have not come."
    )
    joined_at: Moment = Field(description="When that was, ISO 8601 in UTC.")
    method: Literal["model", "heuristic"] = Field(description="Whether a model or a heuristic answered.")
    model_version: int | None = Field(description="Version of the model; null for the heuristic.")


OVER: Final = "Nothing is predicted of those who joined any more: the event is over."
OLD: Final = (
    f"Nothing is predicted of those who joined any more: the last of them did {OPEN.days} days ago or "
    "earlier, and nobody says when the event begins."
)
NOT_KEPT: Final = (
    "Nothing is predicted of those who joined any more: their joins are old and did not name its start, or "
    f"named an earlier one, or its participants have joined {MOST_RSVPS} later events or more."
)
NOT_YET: Final = "Somebody has joined just now and is not counted yet: ask again in some seconds."
CANCELLED: Final = "Nobody is expected: the event is cancelled."


class AttendanceAnswer(BaseModel):
    """How many are going to come."""

    kind: Literal["attendance"] = Field(description="What was asked for.")
    event_id: int | str = Field(description="The platform event.")
    joined: int | None = Field(
        description="Participants, who joined and have not left since, each person once, a number; null, as "
        "the three below, where the event is over or cancelled, or nothing is predicted of them, or not yet."
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
    told = await announced(use.store, caller.project, asked.event_id)
    if told.cancelled:
        return _no_number(asked.event_id, CANCELLED)
    now = use.clock()
    scope = scope_of(use.projects, caller.project, now)
    found = await participants(use.store, scope, asked.event_id, limit=asked.limit, offset=asked.offset)
    if not found.chances and not await is_named(use.store, caller.project, asked.event_id):
        raise ApiError(404, "UNKNOWN_EVENT", "No event names a platform event of this id; correct the id.")
    reason = _unpredicted(found, told.starts or found.starts, now)
    if reason is not None:
        return _no_number(asked.event_id, reason)
    chances = [chance for chance in found.chances if chance is not None]
    if len(chances) < MANY:
        count = head_count(chances)
    else:
        count = await asyncio.to_thread(head_count, chances)
    return AttendanceAnswer(
        kind="attendance",
        event_id=answered_id(asked.event_id),
        joined=len(chances),
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
            if one.chance is not None
        ],
    )


def _unpredicted(found: Joined, starts: datetime | None, now: datetime) -> str | None:
    """Why there is no number; of nobody there is one."""
    if found.newest is None or found.stored is None:
        return None
    if starts is not None and now > starts + GRACE:
        return OVER
    if starts is None and now > found.newest + OPEN:
        return OLD
    if None in found.chances:
        return NOT_YET if now - found.stored < UNCOUNTED else NOT_KEPT
    return None


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
