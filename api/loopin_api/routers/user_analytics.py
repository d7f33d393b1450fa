"""/api/user-analytics: document 004's user analytics, one person and day a row."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, ClassVar, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from loopin_api.auth import Caller
from loopin_api.correcting import (
    CorrectedRow,
    CorrectionRequest,
    DayRequest,
    correction_fields,
    day_of,
    own_zone,
    unlike_computed,
)
from loopin_api.envelope import Moment
from loopin_api.ids import answered_id
from loopin_api.metric_filters import scope_of
from loopin_api.openapi import page as page_of
from loopin_api.pages import Listed, Paged, listed
from loopin_api.queries import user_analytics as asked
from loopin_api.queries.days import dates_of
from loopin_api.queries.user import person_of
from loopin_api.queries.user_analytics import MAX_LOCATIONS, Changed, Row
from loopin_api.routers import corrected
from loopin_api.routers.activity import Id
from loopin_api.services import Reader, Services, Use
from loopin_api.time_filters import Times
from loopin_api.timespan import last_days
from loopin_schemas.corrections import Correction
from loopin_sinks.metric_values.scope import Scope

router = APIRouter(tags=["user analytics"])

Ordering = Literal["date", "-date"]

_DAY: Final = "on that day, count."
_SO_FAR: Final = "up to the end of the day, count."


class Location(BaseModel):
    """A place."""

    model_config = ConfigDict(extra="forbid")

    country: str | None = Field(max_length=200, description="Country; null where unknown.")
    city: str | None = Field(max_length=200, description="City; null where unknown.")


class _Head(BaseModel):
    id: str = Field(description="Day and user: `2026-01-14:42`.")
    user: int | str = Field(description="The distinct_id that names the person; digits are a number.")
    date: datetime.date = Field(description="The day, YYYY-MM-DD, of the project's time zone.")


class UserNumbers(BaseModel):
    """What is computed of a person and day, and may be put right."""

    page_views: int = Field(0, ge=0, description=f"`$pageview` {_DAY}")
    actions_performed: int = Field(
        0, ge=0, description=f"Events beyond looking at pages, the system group's apart, {_DAY}"
    )
    communities_viewed: int = Field(0, ge=0, description=f"Communities visited {_DAY}")
    communities_joined: int = Field(0, ge=0, description=f"Communities joined {_DAY}")
    community_online_time: int = Field(
        0, ge=0, description="Time within 5 minutes of an event in a community on that day, seconds."
    )
    community_interactions: int = Field(
        0, ge=0, description=f"Events in communities other than visits, joins, leaves and checks, {_DAY}"
    )
    geo_restricted_attempts: int = Field(0, ge=0, description=f"Attempts that a restriction refused {_DAY}")
    locations_accessed_from: list[Location] = Field(
        default_factory=list,
        max_length=MAX_LOCATIONS,
        description=f"Places of the day's events, {MAX_LOCATIONS} at most.",
    )
    travel_detected: bool = Field(
        False, description="Whether a restricted community was tried from away from home on that day."
    )
    total_posts: int = Field(0, ge=0, description=f"Pieces of content created {_SO_FAR}")
    total_comments: int = Field(0, ge=0, description=f"Comments written {_SO_FAR}")
    total_likes_given: int = Field(0, ge=0, description=f"Pieces of content liked {_SO_FAR}")
    total_likes_received: int = Field(0, ge=0, description=f"Likes of the person's content {_SO_FAR}")
    followers_gained: int = Field(0, ge=0, description=f"Times that somebody began to follow them {_SO_FAR}")
    followers_lost: int = Field(0, ge=0, description=f"Times that somebody stopped {_SO_FAR}")
    total_sessions: int = Field(0, ge=0, description=f"Sessions begun {_SO_FAR}")
    total_time_spent: float = Field(0, ge=0, description="Length of these sessions together, seconds.")
    avg_session_duration: float | None = Field(
        None, ge=0, description="Their mean length, seconds; null without any."
    )
    recommendations_shown: int = Field(0, ge=0, description=f"Recommendations shown {_SO_FAR}")
    recommendations_clicked: int = Field(0, ge=0, description=f"Recommendations opened {_SO_FAR}")


class _Tail(CorrectedRow):
    last_calculated: Moment = Field(description="When this was computed: now, ISO 8601 in UTC.")


class UserDay(_Tail, UserNumbers, _Head):
    """One person on one day."""


class UserDayCorrectionRequest(CorrectionRequest, UserNumbers):
    """What to put right of a row; what is not named stays, or with PUT is computed again."""

    READ_ONLY: ClassVar[frozenset[str]] = CorrectionRequest.READ_ONLY | {"user", "date", "last_calculated"}


class UserDayRequest(DayRequest, UserNumbers):
    """A person and day, and what overrides what is computed of it."""

    READ_ONLY: ClassVar[frozenset[str]] = CorrectionRequest.READ_ONLY | {"last_calculated"}
    NO_VALUES: ClassVar[frozenset[str]] = DayRequest.NO_VALUES | {"user"}

    user: Id = Field(description="Any distinct_id of the person.")

    @property
    def id(self) -> str:
        """The row's id."""
        return f"{self.date}:{self.user}"


_EXAMPLE: Final[dict[str, Any]] = {
    "id": "2026-01-14:42",
    "user": 42,
    "date": "2026-01-14",
    "page_views": 11,
    "actions_performed": 7,
    "communities_viewed": 2,
    "communities_joined": 1,
    "community_online_time": 840,
    "community_interactions": 4,
    "geo_restricted_attempts": 0,
    "locations_accessed_from": [{"country": "IN", "city": "Mumbai"}],
    "travel_detected": False,
    "total_posts": 3,
    "total_comments": 9,
    "total_likes_given": 31,
    "total_likes_received": 12,
    "followers_gained": 5,
    "followers_lost": 1,
    "total_sessions": 40,
    "total_time_spent": 21600.0,
    "avg_session_duration": 540.0,
    "recommendations_shown": 60,
    "recommendations_clicked": 8,
    "corrected_fields": [],
    "corrected_at": None,
    "corrected_by": None,
    "note": "",
    "last_calculated": "2026-01-15T10:30:00.000Z",
}


@router.get(
    "/api/user-analytics",
    summary="List user analytics",
    responses=page_of("A page of rows.", _EXAMPLE),
)
async def get_rows(
    use: Use,
    caller: Reader,
    times: Times,
    page: Paged,
    user: Annotated[
        str | None, Query(max_length=400, description="Any distinct_id of the only person.")
    ] = None,
    ordering: Annotated[
        Ordering, Query(description="By day, then user; `-`: the latest day first.")
    ] = "-date",
) -> Listed[UserDay]:
    """A row for each person and day with an event, of the time asked for. Needs the scope `read`.

    The project's own people can be asked for by `user`.
    """
    start, end = dates_of(own_zone(times).span())
    known, scope = await _known(use, caller), _scope(use, caller)
    name = None
    if user is not None:
        person = await person_of(use.store, caller.project, user)
        name, scope = person.name, replace(scope, users=person.distinct_ids, internal=())
    wanted = {row: each for row, each in known.items() if start <= row.day < end and name in (None, row.user)}
    changed = Changed(
        [row for row, each in wanted.items() if each.created],
        [row for row, each in wanted.items() if each.deleted],
    )
    count, shown = await asked.rows(
        use.store, scope, start, end, changed, ordering.startswith("-"), page.size, page.offset
    )
    found = await asked.computed(use.store, _scope(use, caller), shown)
    return listed(page, count, [_answer(use, row, found[row], known.get(row)) for row in shown])


async def _find(use: Services, caller: Caller, id: str) -> corrected.Row | None:
    told = _row_of(id)
    if told is None:
        return None
    person = await person_of(use.store, caller.project, told.user)
    row = Row(told.day, person.name)
    known = (await _known(use, caller)).get(row)
    found = (await asked.computed(use.store, _scope(use, caller), [row]))[row]

    async def answer() -> UserDay:
        return _answer(use, row, found, known)

    # Corrections stay under whom the person was named by when they were made.
    key = f"{row.day}:{row.user}" if known is None else known.row
    kept = partial(unlike_computed, _answer(use, row, found, None))
    return corrected.Row(key, known, bool(found["active"]), answer, kept, frozenset({"id", "user", "date"}))


async def _known(use: Services, caller: Caller) -> Mapping[Row, Correction]:
    """What was put right, by the person that its distinct_id is of by now; the latest counts."""
    items = use.corrections.of(caller.project, "user-analytics").values()
    made = sorted((item.body for item in items), key=lambda body: body.at)
    rows = [(row, body) for body in made if (row := _row_of(body.row)) is not None]
    persons = await asked.persons_of(use.store, caller.project, [row.user for row, _ in rows])
    return {Row(row.day, persons[row.user]): body for row, body in rows}


def _answer(use: Services, row: Row, computed: Mapping[str, Any], known: Correction | None) -> UserDay:
    return UserDay.model_validate(
        {
            "id": f"{row.day}:{row.user}",
            "user": answered_id(row.user),
            "date": row.day,
            **{name: value for name, value in computed.items() if name != "active"},
            **({} if known is None else known.values),
            **correction_fields(known),
            "last_calculated": use.clock(),
        }
    )


def _scope(use: Services, caller: Caller) -> Scope:
    span = last_days(1, use.clock(), use.projects.zone(caller.project))
    return scope_of(use, caller.project, span, {}, bots=False)


def _row_of(id: str) -> Row | None:
    day, _, user = id.partition(":")
    found = day_of(day)
    return Row(found, user) if found is not None and user else None


corrected.add_rows(
    router,
    name="user-analytics",
    noun="person's day",
    origin="computed",
    id="Day and any distinct_id of the person: `2026-01-14:42`.",
    answers=UserDay,
    example=_EXAMPLE,
    changed={"page_views": 10, "note": "One was a reload."},
    body=UserDayCorrectionRequest,
    find=_find,
    made=UserDayRequest,
)
