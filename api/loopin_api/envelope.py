"""The shape of every answer under /api/analytics, and of every error."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, Field, PlainSerializer

T = TypeVar("T")


def iso_ms(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds, e.g. ``2026-01-02T03:04:05.678Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _now() -> datetime:
    return datetime.now(UTC)


Moment = Annotated[datetime, PlainSerializer(iso_ms, return_type=str)]
"""A time that is answered as ISO 8601 text in UTC with milliseconds."""


class Success(BaseModel, Generic[T]):
    """A good answer."""

    success: Literal[True] = True
    data: T
    timestamp: Moment = Field(default_factory=_now, description="When this was answered, ISO 8601 in UTC.")


class Detail(BaseModel):
    """One thing that is wrong with a request."""

    field: str | None = Field(
        description="Dotted path of the field or name of the parameter; null for the whole."
    )
    reason: str = Field(description="One sentence for a person.")


class Failure(BaseModel):
    """A refused request or a failed one."""

    success: Literal[False] = False
    error: str = Field(description="One sentence for a person, which says what to do.")
    error_code: str = Field(description="Stable UPPER_SNAKE code for programs.")
    details: list[Detail] = Field(default_factory=list, description="Each field at fault; may be empty.")
    timestamp: Moment = Field(default_factory=_now, description="When this was answered, ISO 8601 in UTC.")
