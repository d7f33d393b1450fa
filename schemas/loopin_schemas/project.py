"""What a project has of its own, in place of what the processes are set to: see ``ProjectSettings``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Annotated, Final
from zoneinfo import available_timezones

import msgspec
from msgspec import Meta

from loopin_schemas.names import NAME
from loopin_schemas.timestamps import Ms
from loopin_schemas.validation import check_project

MAX_INTERNAL_USERS: Final = 1_000
"""Most distinct_ids of a project's own people."""

MAX_FORMER: Final = 20
"""Most lengthenings of a retention that are remembered."""

MAX_TARGETS: Final = 200
"""Most targets of a project's own."""

MAX_FORECASTS: Final = 50
"""Most metrics that are forecast each night beside those of every project."""

CURRENCY: Final = "^[A-Z]{3}$"
"""What an ISO 4217 code looks like."""

COUNTRY: Final = "^[A-Z]{2}$"
"""What an ISO 3166 code looks like."""

Code = Annotated[str, Meta(pattern=CURRENCY, max_length=3)]
Days = Annotated[int, Meta(ge=1, le=3650)]
Worth = Annotated[float, Meta(gt=0, le=1e12)]
Ids = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...], Meta(max_length=MAX_INTERNAL_USERS)
]


Targets = Annotated[
    Mapping[Annotated[str, Meta(pattern=NAME, max_length=64)], Annotated[float, Meta(gt=0, le=1e15)]],
    Meta(max_length=MAX_TARGETS),
]


Names = Annotated[
    tuple[Annotated[str, Meta(pattern=NAME, max_length=64)], ...], Meta(max_length=MAX_FORECASTS)
]


class FormerDays(msgspec.Struct, frozen=True):
    """For how many days events were kept that were stored before ``until`` (epoch ms)."""

    until: Ms
    days: Days


class ProjectSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A project's own; what is left out is as the processes are set to (``LOOPIN_...``).

    ``rates`` is what one unit of another currency is worth in the project's, from a day on. Of its own
    people ``internal_users`` has a distinct_id each. Events and minutes are kept ``raw_retention_days``,
    hours ``hourly_retention_days``, longer periods and rollups ``daily_retention_days``; ``former_raw`` tells
    of shorter times before. ``targets`` says what metrics are to reach, by name, in their unit.
    ``forecasts`` names metrics that are forecast each night beside those of every project, ``holidays`` the
    country (ISO 3166) whose public holidays matter to that.

    Raises:
        ValueError: the zone is none, or the project cannot be one.
    """

    project: str
    timezone: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    currency: Code | None = None
    rates: Annotated[Mapping[Code, Mapping[date, Worth]], Meta(max_length=200)] | None = None
    internal_users: Ids | None = None
    raw_retention_days: Days | None = None
    hourly_retention_days: Days | None = None
    daily_retention_days: Days | None = None
    targets: Targets | None = None
    forecasts: Names | None = None
    holidays: Annotated[str, Meta(pattern=COUNTRY, max_length=2)] | None = None
    former_raw: Annotated[tuple[FormerDays, ...], Meta(max_length=MAX_FORMER)] = ()

    def __post_init__(self) -> None:
        check_project(self.project)
        if self.timezone is not None:
            check_zone(self.timezone)


def check_zone(name: str) -> str:
    """The name of a time zone.

    Raises:
        ValueError: the tz database has none of this name.
    """
    if name not in _zone_names():
        raise ValueError("give a name of the tz database, such as UTC or Asia/Kolkata")
    return name


@cache
def _zone_names() -> frozenset[str]:
    # Of this machine, which the store does not know.
    return frozenset(available_timezones() - {"localtime", "Factory"})
