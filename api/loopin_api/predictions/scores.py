"""``kind=churn`` and ``kind=conversion``: which users are likeliest to leave, or to buy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from loopin_api.auth import Caller
from loopin_api.envelope import Moment
from loopin_api.ids import answered_id
from loopin_api.predictions.kind import Kind
from loopin_api.services import Services
from loopin_schemas.profile import HIGH_RISK
from loopin_sinks.scores.read import ScoredUser, scored_users
from loopin_streams.learning.features import CONTRASTS
from loopin_streams.learning.targets import CHURN, CONVERSION, Target

MOST: Final = 1_000


class Reason(BaseModel):
    """One of the strongest reasons of a score."""

    feature: str = Field(description="Name of what the model reads.")
    about: str = Field(description="The same in words.")
    effect: Literal["raises", "lowers"] = Field(description="What it does to the score.")


class ScoredRow(BaseModel):
    """A user and what is predicted."""

    user_id: int | str = Field(description="The user: the distinct_id that names the person.")
    score: float = Field(description="Probability, 0 to 1.")
    reasons: list[Reason] = Field(
        description="The three strongest reasons, strongest first; none where a heuristic answered."
    )
    calculated_at: Moment = Field(description="Event time of the score: nothing of later is in it.")
    last_seen: Moment = Field(description="Time of the user's newest event, ISO 8601 in UTC.")
    method: Literal["model", "heuristic"] = Field(description="Whether a model or a heuristic answered.")
    model_version: int | None = Field(description="Version of the model; null for the heuristic.")


class ScoresAnswer(BaseModel):
    """Users by what is predicted of them."""

    kind: Literal["churn", "conversion"] = Field(description="What was asked for.")
    meaning: str = Field(description="What the probability is of, in words.")
    horizon_days: int = Field(description="How many days ahead it looks.")
    scored: int = Field(description="Users of whom it is predicted: those with an account seen lately.")
    high: int = Field(description=f"How many of them have a score above {HIGH_RISK}.")
    users: list[ScoredRow] = Field(description="Some of them, the likeliest first.")


@dataclass(frozen=True, slots=True)
class ScoreParameters:
    """Which users are asked for."""

    limit: int
    offset: int


Limit = Annotated[
    int, Query(ge=1, le=MOST, description="Of scores, and of each segment: how many users, a number.")
]
Offset = Annotated[
    int, Query(ge=0, le=10**9, description="Of scores, and of each segment: users to pass over.")
]


def score_parameters(limit: Limit = 100, offset: Offset = 0) -> ScoreParameters:
    """Parameters of both kinds."""
    return ScoreParameters(limit, offset)


def _kind(target: Target, name: Literal["churn", "conversion"], description: str) -> Kind:
    async def predict(use: Services, caller: Caller, asked: ScoreParameters) -> ScoresAnswer:
        found = await scored_users(
            use.store, caller.project, target.name, limit=asked.limit, offset=asked.offset
        )
        return ScoresAnswer(
            kind=name,
            meaning=target.help,
            horizon_days=target.horizon_days,
            scored=found.scored,
            high=found.high,
            users=[_row(user) for user in found.users],
        )

    example = {
        "kind": name,
        "meaning": target.help,
        "horizon_days": target.horizon_days,
        "scored": 1421,
        "high": 37,
        "users": [
            {
                "user_id": 123,
                "score": 0.8312,
                "reasons": [
                    {
                        "feature": "sessions_1",
                        "about": "visits in the last weeks, compared with the month before",
                        "effect": "raises",
                    }
                ],
                "calculated_at": "2026-11-30T04:00:00.000Z",
                "last_seen": "2026-11-12T18:20:11.000Z",
                "method": "model",
                "model_version": 7,
            }
        ],
    }
    return Kind(
        name=name,
        description=description,
        parameters=score_parameters,
        answer=ScoresAnswer,
        example=example,
        predict=predict,
    )


def _row(user: ScoredUser) -> ScoredRow:
    return ScoredRow(
        user_id=answered_id(user.person),
        score=user.chance,
        reasons=[reason_of(number) for number in user.reasons],
        calculated_at=user.at,
        last_seen=user.last_seen,
        method="model" if user.version else "heuristic",
        model_version=user.version or None,
    )


def reason_of(number: int) -> Reason:
    """A reason by the number that scores keep of it."""
    contrast = CONTRASTS[number if number >= 0 else -number - 1]
    return Reason(feature=contrast.name, about=contrast.about, effect="raises" if number >= 0 else "lowers")


CHURN_KIND: Final = _kind(CHURN, "churn", "which users are likeliest to leave, and why")
CONVERSION_KIND: Final = _kind(CONVERSION, "conversion", "which users are likeliest to buy, and why")
