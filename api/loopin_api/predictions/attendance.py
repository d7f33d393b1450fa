"""``kind=attendance``: how many are going to come to a platform event."""

from __future__ import annotations

from dataclasses import dataclass
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
from loopin_sinks.scores.read import is_platform_event, participants
from loopin_streams.learning.head_count import head_count


class ParticipantRow(BaseModel):
    """Somebody who has joined."""

    user_id: int | str = Field(description="The user, by distinct_id.")
    score: float = Field(description="Probability to come, 0 to 1, as of when the user joined.")
    joined_at: Moment = Field(description="When that was, ISO 8601 in UTC.")
    method: Literal["model", "heuristic"] = Field(description="Whether a model or a heuristic answered.")
    model_version: int | None = Field(description="Version of the model; null for the heuristic.")


class AttendanceAnswer(BaseModel):
    """How many are going to come."""

    kind: Literal["attendance"] = Field(description="What was asked for.")
    event_id: int | str = Field(description="The platform event.")
    joined: int = Field(description="Participants of whom it is not known yet, a number.")
    expected: float = Field(description="How many of them are expected, a number.")
    low_80: int = Field(description="Lower end of the interval that holds the number with 80 %.")
    high_80: int = Field(description="Its upper end.")
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
    found = await participants(use.store, caller.project, asked.event_id)
    if not found and not await is_platform_event(use.store, caller.project, asked.event_id):
        raise ApiError(404, "UNKNOWN_EVENT", "No event names a platform event of this id; correct the id.")
    count = head_count(one.chance for one in found)
    return AttendanceAnswer(
        kind="attendance",
        event_id=answered_id(asked.event_id),
        joined=len(found),
        expected=round(count.expected, 2),
        low_80=count.low,
        high_80=count.high,
        participants=[
            ParticipantRow(
                user_id=answered_id(one.distinct_id),
                score=one.chance,
                joined_at=one.joined,
                method="model" if one.version else "heuristic",
                model_version=one.version or None,
            )
            for one in found[asked.offset : asked.offset + asked.limit]
        ],
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
