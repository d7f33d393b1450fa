"""What is answered of a user's behaviour."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, Field

from loopin_api.envelope import Moment
from loopin_api.predictions.scores import Reason
from loopin_api.queries.behaviour import MOST_NAMES
from loopin_schemas.habits import ERA_DAYS, MOST_COMMUNITIES, MOST_EVENT_TYPES
from loopin_schemas.scores.engagement import EngagementLevel
from loopin_schemas.scores.engagement_trend import Trend
from loopin_streams.learning.targets import CHURN

PEAK_HOURS: Final = 3
PEAK_DAYS: Final = 2


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
    price_range: PriceRanges = Field(
        description="Prices by currency; those whose event names none are in the project's."
    )


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
        description=f"The same formula over the {ERA_DAYS} days up to `last_analysis_at`, or those since the "
        "first event where that is later, with fading counts, 0 to 1. A newcomer's few days are all that "
        "count: it compares users who have been there for unlike times."
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
        description="Event time of the profile: the user's newest event or a later look, ISO 8601 in UTC."
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
        description="From days active, page views, and likes, comments and shares a day, over all days "
        "asked for, also those before the user's first event, 0 to 1. A newcomer's is low; `profile` has one "
        "over the days since the first event."
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


BEHAVIOR_EXAMPLE: Final = {
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
