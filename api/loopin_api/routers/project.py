"""/api/analytics/project: a project's zone, its money, its people, and how long what is stored is kept."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from loopin_api.body import json_body
from loopin_api.envelope import Success
from loopin_api.openapi import COMMON, WITH_BODY, failures, request_body, success
from loopin_api.project_settings import Held
from loopin_api.services import Admin, Reader, Use
from loopin_schemas.names import NAME
from loopin_schemas.project import COUNTRY, CURRENCY, MAX_FORECASTS, MAX_INTERNAL_USERS, MAX_TARGETS
from loopin_sinks.metric_values.scope import epoch_ms
from loopin_streams.projects.project import zone_name

router = APIRouter(tags=["project"])

_ZONE: Final = "Where its days, weeks and months begin: a name of the tz database."
_CURRENCY: Final = "Of its money, and of amounts that name none: ISO 4217."
_RATES: Final = (
    "By ISO 4217 code and first day (YYYY-MM-DD), what one unit of another currency is worth from then on, "
    "in the project's."
)
_PEOPLE: Final = "distinct_ids of its own people, one of each person's, whom metrics leave out."
_RAW: Final = "For how long events and windows of minutes are kept, days."
_HOURLY: Final = "For how long windows and values of hours are kept, days."
_TARGETS: Final = (
    "By name of a metric, what it is to reach, in its unit, where that is another value than the catalogue's."
)
_FORECASTS: Final = "Names of metrics that are forecast each night beside those of every project."
_HOLIDAYS: Final = "Country whose public holidays matter to forecasts, ISO 3166."
_DAILY: Final = "For how long windows, values and rollups of days and what is longer are kept, days."

Code = Annotated[str, StringConstraints(pattern=CURRENCY)]
Country = Annotated[str, StringConstraints(pattern=COUNTRY)]
Worth = Annotated[float, Field(gt=0, le=1e12)]
Name = Annotated[str, StringConstraints(pattern=NAME)]
Target = Annotated[float, Field(gt=0, le=1e15)]
DistinctId = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ProjectAnswer(BaseModel):
    """What holds of a project."""

    project: str = Field(description="Its name.")
    timezone: str = Field(description=_ZONE)
    currency: str = Field(description=_CURRENCY)
    rates: dict[str, dict[datetime.date, float]] = Field(description=_RATES)
    internal_users: list[str] = Field(description=_PEOPLE)
    raw_retention_days: int = Field(description=_RAW)
    hourly_retention_days: int = Field(description=_HOURLY)
    daily_retention_days: int = Field(description=_DAILY)
    targets: dict[str, float] = Field(description=_TARGETS)
    forecasts: list[str] = Field(description=_FORECASTS)
    holidays: str | None = Field(description=f"{_HOLIDAYS} Null for none.")
    own: list[str] = Field(
        description="Names of what is the project's own; all else is as the processes are set to "
        "(`LOOPIN_...`)."
    )
    version: str = Field(description="Another one after each change; `default` where nothing is its own.")
    changed_by: str | None = Field(description="Who changed it last; null where nothing is its own.")


class ProjectPatch(BaseModel):
    """What is to be changed; null makes it as the processes are set to again."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    timezone: str | None = Field(None, min_length=1, max_length=64, description=_ZONE)
    currency: Code | None = Field(None, description=_CURRENCY)
    rates: dict[Code, dict[datetime.date, Worth]] | None = Field(
        None, max_length=200, description=f"{_RATES} All of them: the others are forgotten."
    )
    internal_users: list[DistinctId] | None = Field(
        None, max_length=MAX_INTERNAL_USERS, description=f"{_PEOPLE} All of them: the others are forgotten."
    )
    raw_retention_days: int | None = Field(None, ge=1, le=3650, description=_RAW)
    hourly_retention_days: int | None = Field(None, ge=1, le=3650, description=_HOURLY)
    daily_retention_days: int | None = Field(None, ge=1, le=3650, description=_DAILY)
    targets: dict[Name, Target] | None = Field(
        None, max_length=MAX_TARGETS, description=f"{_TARGETS} All of them: the others are forgotten."
    )
    forecasts: list[Name] | None = Field(
        None, max_length=MAX_FORECASTS, description=f"{_FORECASTS} All of them: the others are forgotten."
    )
    holidays: Country | None = Field(None, description=_HOLIDAYS)

    def given(self) -> dict[str, Any]:
        """What was sent."""
        fields = {name: getattr(self, name) for name in self.model_fields_set}
        for name in ("internal_users", "forecasts"):
            if fields.get(name) is not None:
                fields[name] = tuple(dict.fromkeys(fields[name]))
        return fields


_EXAMPLE: Final[dict[str, Any]] = {
    "project": "shop",
    "timezone": "Asia/Kolkata",
    "currency": "INR",
    "rates": {"EUR": {"2026-01-01": 98.5}},
    "internal_users": ["asha"],
    "raw_retention_days": 90,
    "hourly_retention_days": 365,
    "daily_retention_days": 1095,
    "targets": {"event_rating": 4.8},
    "forecasts": ["sessions"],
    "holidays": "IN",
    "own": ["timezone", "rates", "internal_users", "targets", "forecasts", "holidays"],
    "version": "4f1c2ab09d3e7715",
    "changed_by": "asha",
}
_REQUEST: Final = {
    "timezone": "Asia/Kolkata",
    "rates": {"EUR": {"2026-01-01": 98.5}},
    "internal_users": ["asha"],
}


@router.get(
    "/api/analytics/project",
    summary="A project's settings",
    responses={**success("What holds of it.", _EXAMPLE), **failures(*COMMON)},
)
async def get_project(use: Use, caller: Reader) -> Success[ProjectAnswer]:
    """What holds of the project: its own settings, and those of the processes for all else.

    Needs the scope `read`.
    """
    return Success(data=_answer(caller.project, use.own_settings.find(caller.project)))


@router.patch(
    "/api/analytics/project",
    summary="Change a project's settings",
    responses={**success("As it is now.", _EXAMPLE), **failures(409, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(ProjectPatch, {"zone": _REQUEST, "as_set": {"timezone": None}}),
)
async def patch_project(
    use: Use,
    caller: Admin,
    body: Annotated[ProjectPatch, Depends(json_body(ProjectPatch))],
    version: Annotated[
        str | None,
        Query(
            max_length=64,
            description="The version that you have seen; 409 where it is another one by now. Any by default.",
        ),
    ] = None,
) -> Success[ProjectAnswer]:
    """Changes the settings that are named, in force within a second.

    Days are rolled up anew in another zone, and values of metrics calculated anew in another zone, currency
    or by other rates, as far as their events are there. Retention holds for what is stored from then on.
    Needs the scope `admin`.
    """
    now_ms = epoch_ms(use.clock())
    held = await use.own_settings.change(caller.project, body.given(), version, caller.author, now_ms)
    return Success(data=_answer(caller.project, held))


def _answer(project: str, held: Held) -> ProjectAnswer:
    known = held.known
    return ProjectAnswer(
        project=project,
        timezone=zone_name(known.zone),
        currency=known.currency,
        rates={code: dict(rates) for code, rates in sorted(known.rates.items())},
        internal_users=sorted(known.internal),
        raw_retention_days=known.retention.raw,
        hourly_retention_days=known.retention.hourly,
        daily_retention_days=known.retention.daily,
        targets=dict(sorted(known.targets.items())),
        forecasts=list(known.forecasts),
        holidays=known.holidays,
        own=held.own,
        version=held.version,
        changed_by=None if held.item is None else held.item.by,
    )
