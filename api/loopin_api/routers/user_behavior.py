"""POST /api/analytics/user-behavior: what a user is like."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from loopin_api.body import json_body
from loopin_api.envelope import Moment, Success
from loopin_api.errors import ApiError
from loopin_api.ids import MAX_NUMBER, answered_id
from loopin_api.openapi import COMMON, WITH_BODY, failures, request_body, success
from loopin_api.predictions.scores import Reason, reason_of
from loopin_api.queries import user as asked
from loopin_api.queries.behaviour import MOST_NAMES, Behaviour, behaviour, peaks
from loopin_api.queries.freshness import freshness_s
from loopin_api.services import Reader, Use
from loopin_api.timespan import Timespan, last_days
from loopin_schemas.habits import ERA_DAYS, MOST_COMMUNITIES, MOST_EVENT_TYPES
from loopin_schemas.scores.engagement import EngagementLevel, engagement_level
from loopin_schemas.scores.engagement_trend import Trend, engagement_trend
from loopin_schemas.scores.risk import RiskFactor, Signals, risk_factors
from loopin_sinks.metric_values.scope import scope_of
from loopin_sinks.persons.habits import Habits, PriceRange, person_habits
from loopin_sinks.persons.personas import Personas, personas_of
from loopin_sinks.scores.read import ScoredUser, scores_of
from loopin_streams.learning.targets import CHURN, CONVERSION, TARGETS

router = APIRouter(tags=["users"])

DEFAULT_DAYS: Final = 30
MAX_DAYS: Final = 366
PEAK_HOURS: Final = 3
PEAK_DAYS: Final = 2

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


class UserPatterns(BaseModel):
    """When the user comes, over the days asked for."""

    peak_hours: list[int] = Field(
        description=f"At most {PEAK_HOURS} hours of the day (0 to 23) with the most events, none with less "
        "than half of the busiest one's."
    )
    peak_days: list[int] = Field(
        description=f"At most {PEAK_DAYS} weekdays (0 is Monday, 6 is Sunday), likewise."
    )
    session_length: float | None = Field(
        description="Mean from first to last event of a session, minutes; null without sessions."
    )
    events_per_session: float | None = Field(
        description="Events by sessions begun, count; null without sessions."
    )
    hours: list[int] = Field(description="Events by hour of the day from 0 to 23, count.")
    weekdays: list[int] = Field(description="Events by weekday from Monday, count.")
    sessions: int = Field(description="Sessions begun, count.")
    active_days: int = Field(description="Days with an event, count.")
    tz: str = Field(
        description="Time zone of hours and weekdays: the one that the user's newest events named "
        "(`$timezone`, else by the address), else the project's."
    )


class Prices(BaseModel):
    """Prices in one currency."""

    min: float = Field(description="The least, in the currency.")
    max: float = Field(description="The greatest, in the currency.")
    mean: float = Field(description="Their mean, in the currency.")
    count: int = Field(description="How many, count.")


class PriceRanges(BaseModel):
    """What the user pays, and looks at; of all time, by the user's profile."""

    bought: dict[str, Prices] = Field(description="Of tickets bought, by currency (ISO 4217).")
    viewed: dict[str, Prices] = Field(
        description="Of platform events looked at, by currency (ISO 4217), where the event names a `price`."
    )


class UserPreferences(BaseModel):
    """What the user turns to, over the days asked for."""

    event_types: dict[str, int] = Field(
        description="Platform events looked at, joined, attended, reviewed and paid for, by category, count; "
        f"the {MOST_NAMES} most frequent."
    )
    actions: dict[str, int] = Field(description=f"Events by name, count; the {MOST_NAMES} most frequent.")
    communities: dict[str, int] = Field(
        description=f"Events by `community_id`, count; the {MOST_NAMES} most frequent."
    )
    price_range: PriceRanges = Field(description="Prices by currency.")


class RiskRow(BaseModel):
    """A rule that speaks for losing the user."""

    name: str = Field(description="Which rule.")
    value: float = Field(description="What was compared, in the rule's unit.")
    threshold: float = Field(description="From which on, or down to which, it holds; in the same unit.")
    text: str = Field(description="The same in one sentence.")


class UserPredictions(BaseModel):
    """What is predicted of a user."""

    churn_risk: float | None = Field(
        description="Probability to leave, 0 to 1; null where it is not predicted."
    )
    conversion_probability: float | None = Field(
        description="Probability to buy a ticket, 0 to 1; null where it is not predicted."
    )
    engagement_trend: Trend | None = Field(
        description="The present pace (half-life 10 days) against the usual one (25 days); null where there "
        "is no profile yet."
    )


class BehaviorProfile(BaseModel):
    """The profile that the stream keeps of the user, as of `last_analysis_at`; older events weigh less."""

    engagement_score: float = Field(
        description=f"From the active days of the last {ERA_DAYS}, and fading counts of page views, likes, "
        "comments and shares, 0 to 1."
    )
    churn_risk_score: float | None = Field(description="Probability to leave, 0 to 1; null for none.")
    conversion_probability: float | None = Field(
        description="Probability to buy a ticket, 0 to 1; null for none."
    )
    primary_persona: str | None = Field(
        description="The persona that counts: said of the user, else found; null for none."
    )
    preferred_event_types: list[str] = Field(
        description=f"Categories of platform events, the most frequent first, at most {MOST_EVENT_TYPES}."
    )
    preferred_communities: list[int | str] = Field(
        description=f"Their `community_id`, the most frequent first, at most {MOST_COMMUNITIES}."
    )
    peak_hours: list[int] = Field(description="Hours of the day (0 to 23) by the fading counts.")
    peak_days: list[int] = Field(description="Weekdays (0 is Monday) by the fading counts.")
    session_length: float | None = Field(
        description="Mean of all sessions that were followed, minutes; null without any."
    )
    sessions: int = Field(description="Sessions that were followed, count.")
    engagement_change: float = Field(description="The present pace by the usual one, ratio; 1 is as always.")
    payment_failures: int = Field(description="Failed payments since the last one that went well, count.")
    last_analysis_at: Moment = Field(
        description="Event time of the profile: the user's newest event or a daily look, ISO 8601 in UTC."
    )


class TargetScore(BaseModel):
    """One prediction, and where it comes from."""

    target: str = Field(description="What is predicted: `churn` or `conversion`.")
    meaning: str = Field(description="What the probability is of, in words.")
    horizon_days: int = Field(description="How many days ahead it looks, days.")
    score: float = Field(description="Probability, 0 to 1.")
    reasons: list[Reason] = Field(description="The strongest reasons, strongest first.")
    method: Literal["model", "heuristic"] = Field(description="Whether a model or a heuristic answered.")
    model_version: int | None = Field(description="Version of the model; null for the heuristic.")
    calculated_at: Moment = Field(description="Event time of the score: nothing of later is in it.")


class UserBehavior(BaseModel):
    """What a user is like."""

    user_id: int | str = Field(description="The distinct_id that names the person; digits are a number.")
    engagement_score: float = Field(
        description="From days active, page views, and likes, comments and shares of the days asked for, 0 "
        "to 1."
    )
    activity_patterns: UserPatterns = Field(description="When the user comes.")
    preferences: UserPreferences = Field(description="What the user turns to.")
    risk_factors: list[RiskRow] = Field(
        description="Rules that speak for losing the user, the gravest first."
    )
    persona_suggestions: list[str] = Field(
        description="The persona that counts and the one that was found, where they differ both."
    )
    predictions: UserPredictions = Field(description="What is expected of the user.")
    engagement_level: EngagementLevel = Field(description="The quarter of the scale that the score is in.")
    profile: BehaviorProfile | None = Field(
        description="What the stream keeps of the user; null where it is not stored yet."
    )
    scores: list[TargetScore] = Field(description="The predictions with their method, version and reasons.")
    period_start: Moment = Field(description="Start of the days asked for, ISO 8601 in UTC.")
    period_end: Moment = Field(description="Their end, excluded, ISO 8601 in UTC.")
    tz: str = Field(description="Time zone in which those days begin, name in the tz database.")
    freshness_s: float | None = Field(
        description="Seconds since the newest stored event was received; null without events."
    )
    basis: Literal["persons"] = Field(description="What counts as one user: persons, with all their ids.")


_EXAMPLE: Final = {
    "user_id": 123,
    "engagement_score": 0.75,
    "activity_patterns": {
        "peak_hours": [19, 20, 21],
        "peak_days": [5, 6],
        "session_length": 12.5,
        "events_per_session": 8.2,
        "hours": [0] * 19 + [52, 61, 48, 3, 0],
        "weekdays": [11, 9, 14, 12, 20, 51, 47],
        "sessions": 20,
        "active_days": 18,
        "tz": "Asia/Kolkata",
    },
    "preferences": {
        "event_types": {"music": 15, "food": 8, "sports": 5},
        "actions": {"event_viewed": 45, "event_join_requested": 12},
        "communities": {"community-3": 21},
        "price_range": {
            "bought": {"INR": {"min": 199.0, "max": 1500.0, "mean": 612.4, "count": 7}},
            "viewed": {},
        },
    },
    "risk_factors": [
        {
            "name": "payment_failures",
            "value": 2.0,
            "threshold": 2.0,
            "text": "The last 2 payments failed; 2 in a row are a risk.",
        }
    ],
    "persona_suggestions": ["social_explorer"],
    "predictions": {"churn_risk": 0.15, "conversion_probability": 0.82, "engagement_trend": "increasing"},
    "engagement_level": "very_high",
    "profile": {
        "engagement_score": 0.71,
        "churn_risk_score": 0.15,
        "conversion_probability": 0.82,
        "primary_persona": "social_explorer",
        "preferred_event_types": ["music", "food", "sports"],
        "preferred_communities": ["community-3"],
        "peak_hours": [19, 20, 21],
        "peak_days": [5, 6],
        "session_length": 11.9,
        "sessions": 64,
        "engagement_change": 1.31,
        "payment_failures": 2,
        "last_analysis_at": "2026-01-15T10:12:00.000Z",
    },
    "scores": [
        {
            "target": "churn",
            "meaning": CHURN.help,
            "horizon_days": CHURN.horizon_days,
            "score": 0.15,
            "reasons": [{"feature": "sessions", "about": "how often the user comes", "effect": "lowers"}],
            "method": "model",
            "model_version": 7,
            "calculated_at": "2026-01-15T10:12:00.000Z",
        }
    ],
    "period_start": "2025-12-17T00:00:00.000Z",
    "period_end": "2026-01-15T10:30:00.000Z",
    "tz": "UTC",
    "freshness_s": 1.204,
    "basis": "persons",
}


@router.post(
    "/api/analytics/user-behavior",
    summary="What a user is like",
    responses={**success("The user.", _EXAMPLE), **failures(404, *COMMON, *WITH_BODY)},
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
        asked.seen(use.store, scope), person_habits(use.store, project, person.distinct_ids)
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
