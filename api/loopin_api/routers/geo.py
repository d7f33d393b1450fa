"""GET /api/geo-analytics/{id}/effectiveness and /report: document 004's restrictions to places."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from loopin_api.auth import Caller
from loopin_api.date_range import DateRange, date_range
from loopin_api.ids import answered_id
from loopin_api.metric_filters import scope_of
from loopin_api.openapi import COMMON, bare, failures
from loopin_api.queries.freshness import freshness_s
from loopin_api.queries.geo import (
    MAX_LOCATIONS,
    TOP_BLOCKED,
    Attempts,
    GeoReport,
    Impossible,
    Place,
    geo_report,
)
from loopin_api.queries.metrics import MAX_POINTS
from loopin_api.routers.communities import BASIS, COMMUNITY, FRESHNESS, Community
from loopin_api.services import Reader, Services, Use
from loopin_api.time_filters import TimeFilters, Times
from loopin_schemas.metrics import Grain
from loopin_schemas.scores.impossible_travel import SPEED_LIMIT_KMH

router = APIRouter(tags=["geo"])

DEFAULT_DAYS: Final = 30

_PERCENT: Final = "Refused attempts of all, percent (0 to 100), to one decimal; null without attempts."


class RestrictionEffectiveness(BaseModel):
    """What a restriction did."""

    total_attempts: int = Field(description="Checks of a place (`geo_access_checked`), count.")
    blocked_attempts: int = Field(description="Those refused, count.")
    allowed_attempts: int = Field(description="Those let in, count.")
    effectiveness_percentage: float | None = Field(description=f"{_PERCENT} The metric `geo_blocked_share`.")


class BlockedLocation(BaseModel):
    """A place whose attempts were refused."""

    country: str | None = Field(description="Country as told, or by the address; null where unknown.")
    city: str | None = Field(description="City, likewise.")
    attempts: int = Field(description="Refused attempts from there, count.")


class _Answer(BaseModel):
    community_id: int | str = Field(description=COMMUNITY)
    restriction_effectiveness: RestrictionEffectiveness = Field(description="What the restriction did.")
    top_blocked_locations: list[BlockedLocation] = Field(
        description=f"Places with the most refused attempts, at most {TOP_BLOCKED}, most first."
    )
    date_range: DateRange = Field(description="Days covered, the last up to now.")
    tz: str = Field(description="Time zone in which days begin, name in the tz database.")
    freshness_s: float | None = Field(description=FRESHNESS)
    basis: Literal["persons"] = Field(description=BASIS)


class Effectiveness(_Answer):
    """What a community's restriction to places did."""


class Categories(BaseModel):
    """Attempts by category.

    The first six are by the rule that decided (`reason`); with the two that no rule is named for they are all
    that were refused or let in. The last two are among them.
    """

    country_blocked: int = Field(description="Refused by country, count.")
    country_allowed: int = Field(description="Let in by country, count.")
    city_blocked: int = Field(description="Refused by city, count.")
    city_allowed: int = Field(description="Let in by city, count.")
    region_blocked: int = Field(description="Refused by region, count.")
    region_allowed: int = Field(description="Let in by region, count.")
    unnamed_blocked: int = Field(description="Refused by a rule that the event does not name, count.")
    unnamed_allowed: int = Field(description="Let in without a rule that the event names, count.")
    traveler_access: int = Field(description="Attempts of travellers, refused or let in, count.")
    restriction_bypass: int = Field(description="Attempts that got round the restriction (`bypass`), count.")


class ImpossibleSpeed(BaseModel):
    """Attempts from farther off than a person can have come since the one before, at whichever community.

    Only of attempts with coordinates: the address's city (`$geoip_latitude`, `$geoip_longitude`), or what the
    client says under these names. The speed is the great-circle distance less how far both places may be off
    (`$geoip_accuracy_radius`, else 50 km each) over the time between, a minute at least.
    """

    flagged: bool = Field(description=f"Whether there is any, from {SPEED_LIMIT_KMH:,.0f} km/h on.")
    attempts: int = Field(description="Such attempts, count.")
    users: int = Field(description="Distinct persons with such an attempt, count.")
    fastest_kmh: float | None = Field(description="The highest speed among them, km/h; null without any.")


class Travelers(BaseModel):
    """Persons away from home: `is_traveler` says so, or their place is another than when they signed up.

    Places are compared by country where both are known, else by city; capitals do not matter.
    """

    users: int = Field(description="Distinct persons with such an attempt, count.")
    attempts: int = Field(description="Their attempts away from home, count.")
    impossible_speed: ImpossibleSpeed = Field(
        description="Attempts that nobody can have made who made the last."
    )


class Counted(BaseModel):
    """Attempts of one kind."""

    attempts: int = Field(description="All, count.")
    allowed: int = Field(description="Let in, count.")
    blocked: int = Field(description="Refused, count.")
    effectiveness_percentage: float | None = Field(description=_PERCENT)


class Location(Counted):
    """Attempts from one place."""

    country: str | None = Field(description="Country as told, or by the address; null where unknown.")
    region: str | None = Field(description="Region, likewise; null in a breakdown by country.")
    city: str | None = Field(description="City, likewise; null in a breakdown by country or region.")


class LocationBreakdown(BaseModel):
    """Attempts, by where they came from."""

    by_country: list[Location] = Field(
        description=f"Countries, most attempts first, at most {MAX_LOCATIONS}."
    )
    by_region: list[Location] = Field(description="Regions, likewise.")
    by_city: list[Location] = Field(description="Cities, likewise.")


class Trend(Counted):
    """Attempts of one day, or, of a long range, a week or a month."""

    date: datetime.date = Field(description="Its day, or its first one in the range, YYYY-MM-DD.")
    travelers: int = Field(description="Attempts of travellers, count.")
    bypassed: int = Field(description="Attempts that got round the restriction, count.")
    impossible_speed: int = Field(description="Attempts at an impossible speed, count; see `travelers`.")


class EffectivenessReport(_Answer):
    """A community's restriction to places, by place and day."""

    bypass_attempts: int = Field(description="Attempts that got round the restriction, count.")
    travelers: Travelers = Field(description="Persons away from home.")
    categories: Categories = Field(description="Attempts by category.")
    location_breakdown: LocationBreakdown = Field(description="Attempts by place.")
    trends: list[Trend] = Field(
        description=f"The days of the range in order, the last up to now; at most {MAX_POINTS}, see `grain`."
    )
    grain: Grain = Field(
        description=f"Length of the parts of `trends`: day; week or month where more than {MAX_POINTS}."
    )


_EFFECTIVENESS: Final = {
    "community_id": 123,
    "restriction_effectiveness": {
        "total_attempts": 450,
        "blocked_attempts": 127,
        "allowed_attempts": 323,
        "effectiveness_percentage": 28.2,
    },
    "top_blocked_locations": [
        {"country": "Country A", "city": "City X", "attempts": 45},
        {"country": "Country B", "city": "City Y", "attempts": 32},
    ],
    "date_range": {"start": "2024-11-08", "end": "2024-12-08"},
    "tz": "UTC",
    "freshness_s": 1.2,
    "basis": "persons",
}
_COUNTED: Final = {"attempts": 60, "allowed": 15, "blocked": 45, "effectiveness_percentage": 75.0}
_CITY: Final = {**_COUNTED, "country": "Country A", "region": "Region A", "city": "City X"}
_REPORT: Final = {
    **_EFFECTIVENESS,
    "bypass_attempts": 3,
    "travelers": {
        "users": 11,
        "attempts": 19,
        "impossible_speed": {"flagged": True, "attempts": 1, "users": 1, "fastest_kmh": 6285.2},
    },
    "categories": {
        "country_blocked": 90,
        "country_allowed": 300,
        "city_blocked": 25,
        "city_allowed": 13,
        "region_blocked": 12,
        "region_allowed": 10,
        "unnamed_blocked": 0,
        "unnamed_allowed": 0,
        "traveler_access": 19,
        "restriction_bypass": 3,
    },
    "location_breakdown": {
        "by_country": [{**_CITY, "region": None, "city": None}],
        "by_region": [{**_CITY, "city": None}],
        "by_city": [_CITY],
    },
    "trends": [{**_COUNTED, "date": "2024-11-08", "travelers": 2, "bypassed": 0, "impossible_speed": 1}],
    "grain": "day",
}


@router.get(
    "/api/geo-analytics/{id}/effectiveness",
    summary="What a restriction to places did",
    responses={**bare("Attempts, and where the refused came from", _EFFECTIVENESS), **failures(*COMMON)},
)
async def get_effectiveness(caller: Reader, use: Use, times: Times, community: Community) -> Effectiveness:
    """Of the last 30 days by default: today so far, and the 29 days before it. Needs the scope `read`."""
    answer, _ = await _asked(caller, use, times, community)
    return Effectiveness.model_validate(answer)


@router.get(
    "/api/geo-analytics/{id}/report",
    summary="A restriction to places over a range of days",
    responses={**bare("Attempts by category, place and day", _REPORT), **failures(*COMMON)},
)
async def get_report(caller: Reader, use: Use, times: Times, community: Community) -> EffectivenessReport:
    """Of the last 30 days by default: today so far, and the 29 days before it. Needs the scope `read`."""
    answer, found = await _asked(caller, use, times, community)
    whole = found.whole
    return EffectivenessReport.model_validate(
        {
            **answer,
            "bypass_attempts": whole.bypassed,
            "travelers": {
                "users": whole.travelers,
                "attempts": whole.of_travelers,
                "impossible_speed": _impossible(found.impossible),
            },
            "categories": {
                **{f"{reason}_{result}": count for (reason, result), count in whole.by_reason.items()},
                "unnamed_blocked": whole.blocked - whole.decided("blocked"),
                "unnamed_allowed": whole.allowed - whole.decided("allowed"),
                "traveler_access": whole.of_travelers,
                "restriction_bypass": whole.bypassed,
            },
            "location_breakdown": {
                "by_country": _locations(found.countries),
                "by_region": _locations(found.regions),
                "by_city": _locations(found.cities),
            },
            "trends": [
                {
                    **_counted(attempts),
                    "date": day,
                    "travelers": attempts.of_travelers,
                    "bypassed": attempts.bypassed,
                    "impossible_speed": impossible.attempts,
                }
                for day, attempts, impossible in found.series
            ],
            "grain": found.grain,
        }
    )


async def _asked(
    caller: Caller, use: Services, times: TimeFilters, community: str
) -> tuple[dict[str, object], GeoReport]:
    """What both answers have in common, and all that is known."""
    span = times.span(DEFAULT_DAYS)
    scope = scope_of(use, caller.project, span, {}, bots=False)
    found = await geo_report(use.store, scope, community, span)
    whole = found.whole
    return {
        "community_id": answered_id(community),
        "restriction_effectiveness": {
            "total_attempts": whole.total,
            "blocked_attempts": whole.blocked,
            "allowed_attempts": whole.allowed,
            "effectiveness_percentage": _percent(whole),
        },
        "top_blocked_locations": [
            {
                "country": place.country or None,
                "city": place.city or None,
                "attempts": place.attempts.blocked,
            }
            for place in found.blocked
        ],
        "date_range": date_range(span),
        "tz": span.zone_name,
        "freshness_s": await freshness_s(use.store, times.now),
        "basis": "persons",
    }, found


def _impossible(of: Impossible) -> dict[str, object]:
    fastest = of.fastest_kmh
    return {
        "flagged": of.attempts > 0,
        "attempts": of.attempts,
        "users": of.users,
        "fastest_kmh": None if fastest is None else round(fastest, 1),
    }


def _locations(places: Sequence[Place]) -> list[dict[str, object]]:
    return [
        {
            **_counted(place.attempts),
            "country": place.country or None,
            "region": place.region or None,
            "city": place.city or None,
        }
        for place in places
    ]


def _counted(attempts: Attempts) -> dict[str, object]:
    return {
        "attempts": attempts.total,
        "allowed": attempts.allowed,
        "blocked": attempts.blocked,
        "effectiveness_percentage": _percent(attempts),
    }


def _percent(attempts: Attempts) -> float | None:
    share = attempts.effectiveness
    return None if share is None else round(share * 100, 1)
