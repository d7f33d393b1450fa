"""POST /api/analytics/user-behavior: what a user is like."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from loopin_api.body import json_body
from loopin_api.envelope import Success
from loopin_api.errors import ApiError
from loopin_api.ids import MAX_NUMBER, answered_id
from loopin_api.openapi import COMMON, WITH_BODY, failures, request_body, success
from loopin_api.predictions.scores import reason_of
from loopin_api.queries import user as asked
from loopin_api.queries.behaviour import Behaviour, behaviour, peaks
from loopin_api.queries.freshness import freshness_s
from loopin_api.routers.behavior_answers import (
    BEHAVIOR_EXAMPLE,
    PEAK_DAYS,
    PEAK_HOURS,
    BehaviorProfile,
    PriceRanges,
    Prices,
    RiskRow,
    TargetScore,
    UserBehavior,
    UserPatterns,
    UserPredictions,
    UserPreferences,
)
from loopin_api.services import Reader, Use
from loopin_api.timespan import Timespan, last_days
from loopin_schemas.habits import MOST_COMMUNITIES, MOST_EVENT_TYPES
from loopin_schemas.scores.engagement import engagement_level
from loopin_schemas.scores.engagement_trend import engagement_trend
from loopin_schemas.scores.risk import RiskFactor, Signals, risk_factors
from loopin_sinks.metric_values.scope import scope_of
from loopin_sinks.persons.habits import Habits, PriceRange, person_habits
from loopin_sinks.persons.personas import Personas, personas_of
from loopin_sinks.scores.read import ScoredUser, scores_of
from loopin_streams.learning.targets import CHURN, CONVERSION, TARGETS

router = APIRouter(tags=["users"])

DEFAULT_DAYS: Final = 30
MAX_DAYS: Final = 366

_DAY: Final = timedelta(days=1)


class UserBehaviorRequest(BaseModel):
    """Whom to look at, and how far back."""

    model_config = ConfigDict(strict=True, extra="forbid")

    user_id: (
        Annotated[StrictStr, Field(min_length=1, max_length=400)]
        | Annotated[StrictInt, Field(ge=0, le=MAX_NUMBER)]
    ) = Field(description="Any distinct_id of the user, text or a number below 2^53.")
    days: int = Field(
        DEFAULT_DAYS,
        ge=1,
        le=MAX_DAYS,
        description="Today so far and the days before it, whole, in the project's time zone; days.",
    )


@router.post(
    "/api/analytics/user-behavior",
    summary="What a user is like",
    responses={**success("The user.", BEHAVIOR_EXAMPLE), **failures(404, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(UserBehaviorRequest, {"default": {"user_id": 123, "days": 30}}),
)
async def post_user_behavior(
    caller: Reader,
    use: Use,
    body: Annotated[UserBehaviorRequest, Depends(json_body(UserBehaviorRequest))],
) -> Success[UserBehavior]:
    """A query: nothing is stored. Patterns and preferences are of the events of the days asked for;
    `profile`, `predictions`, `scores` and prices of what the stream has learned of the user, whenever that
    was.

    Needs the scope `read`.
    """
    now, project = use.clock(), caller.project
    person = await asked.person_of(use.store, project, str(body.user_id))
    scope = replace(scope_of(use.projects, project, now), users=person.distinct_ids, internal=())
    seen, habits = await asyncio.gather(
        asked.seen(use.store, scope),
        person_habits(use.store, project, person.distinct_ids, scope.currency),
    )
    if seen is None and habits is None:
        raise ApiError(404, "UNKNOWN_USER", "There are no events of this user; check the id.")
    span = last_days(body.days, now, scope.zone)
    last = max(each for each in (seen and seen.last, habits and habits.last_seen) if each)
    zone = (habits.zone if habits else None) or span.zone_name
    did, scores, personas = await asyncio.gather(
        behaviour(use.store, scope, span, zone),
        scores_of(use.store, project, person.name, person.distinct_ids),
        personas_of(use.store, project, person.distinct_ids),
    )
    chances = {target: score.chance for target, score in scores.items()}
    return Success(
        data=UserBehavior(
            user_id=answered_id(person.name),
            engagement_score=did.engagement_score,
            activity_patterns=_patterns(did, zone),
            preferences=_preferences(did, habits),
            risk_factors=[_risk(factor) for factor in risk_factors(_signals(habits, chances, now - last))],
            persona_suggestions=list(dict.fromkeys(filter(None, personas))),
            predictions=UserPredictions(
                churn_risk=chances.get(CHURN.name),
                conversion_probability=chances.get(CONVERSION.name),
                engagement_trend=engagement_trend(habits.engagement_change) if habits else None,
            ),
            engagement_level=engagement_level(did.engagement_score),
            profile=_profile(habits, chances, personas) if habits else None,
            scores=_scores(scores),
            **_about(span, await freshness_s(use.store, now)),
        )
    )


def _about(span: Timespan, freshness: float | None) -> dict[str, Any]:
    return {
        "period_start": span.start,
        "period_end": span.end,
        "tz": span.zone_name,
        "freshness_s": freshness,
        "basis": "persons",
    }


def _patterns(did: Behaviour, zone: str) -> UserPatterns:
    return UserPatterns(
        peak_hours=peaks(did.hours, PEAK_HOURS),
        peak_days=peaks(did.weekdays, PEAK_DAYS),
        session_length=did.session_minutes,
        events_per_session=did.events / did.sessions if did.sessions else None,
        hours=list(did.hours),
        weekdays=list(did.weekdays),
        sessions=did.sessions,
        active_days=did.active_days,
        tz=zone,
    )


def _preferences(did: Behaviour, habits: Habits | None) -> UserPreferences:
    return UserPreferences(
        event_types=dict(did.event_types),
        actions=dict(did.actions),
        communities=dict(did.communities),
        price_range=PriceRanges(
            bought=_prices(habits.bought if habits else {}), viewed=_prices(habits.viewed if habits else {})
        ),
    )


def _prices(ranges: Mapping[str, PriceRange]) -> dict[str, Prices]:
    return {
        code: Prices(
            min=float(of.least), max=float(of.greatest), mean=float(of.total / of.number), count=of.number
        )
        for code, of in ranges.items()
    }


def _signals(habits: Habits | None, chances: Mapping[str, float], away: timedelta) -> Signals:
    known = Signals(inactive_days=max(away / _DAY, 0.0), churn_risk=chances.get(CHURN.name))
    if habits is None:
        return known
    return replace(
        known,
        engagement_score=habits.engagement_score,
        engagement_change=habits.engagement_change,
        payment_failures=habits.payment_failures,
        friendly=habits.friendly,
        unfriendly=habits.unfriendly,
        communities_left=habits.actions.get("community_left", 0.0),
    )


def _risk(factor: RiskFactor) -> RiskRow:
    return RiskRow(name=factor.name, value=factor.value, threshold=factor.threshold, text=factor.text)


def _profile(habits: Habits, chances: Mapping[str, float], personas: Personas) -> BehaviorProfile:
    return BehaviorProfile(
        engagement_score=habits.engagement_score,
        churn_risk_score=chances.get(CHURN.name),
        conversion_probability=chances.get(CONVERSION.name),
        primary_persona=personas.persona,
        preferred_event_types=list(habits.event_types)[:MOST_EVENT_TYPES],
        preferred_communities=[answered_id(name) for name in list(habits.communities)[:MOST_COMMUNITIES]],
        peak_hours=peaks(habits.hours, PEAK_HOURS),
        peak_days=peaks(habits.weekdays, PEAK_DAYS),
        session_length=None if habits.session_s is None else habits.session_s / 60,
        sessions=habits.sessions,
        engagement_change=habits.engagement_change,
        payment_failures=habits.payment_failures,
        last_analysis_at=habits.at,
    )


def _scores(scores: Mapping[str, ScoredUser]) -> list[TargetScore]:
    return [
        TargetScore(
            target=target.name,
            meaning=target.help,
            horizon_days=target.horizon_days,
            score=score.chance,
            reasons=[reason_of(number) for number in score.reasons],
            method="model" if score.version else "heuristic",
            model_version=score.version or None,
            calculated_at=score.at,
        )
        for target in TARGETS
        if (score := scores.get(target.name)) is not None
    ]
