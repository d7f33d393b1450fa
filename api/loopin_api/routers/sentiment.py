"""POST /api/analytics/sentiment."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from loopin_api.body import json_body
from loopin_api.envelope import Success
from loopin_api.errors import unavailable
from loopin_api.openapi import COMMON, WITH_BODY, failures, request_body, success
from loopin_api.services import Reader, Use
from loopin_text.sentiment import SCORED_LENGTH, Label, label, score

router = APIRouter(tags=["analytics"])


class SentimentRequest(BaseModel):
    """A text to judge."""

    model_config = ConfigDict(strict=True)

    text: str = Field(
        max_length=100_000,
        description=f"The text, English; the first {SCORED_LENGTH} characters count. Empty text is neutral.",
    )


class Emotions(BaseModel):
    """The opinion of a language model."""

    sentiment: Label = Field(description="Its label.")
    intensity: int = Field(ge=0, le=10, description="How strong the feeling is, 0 to 10.")
    emotions: list[str] = Field(description="The feelings it names.")


class SentimentDetails(BaseModel):
    """What each method says; null for those that are off."""

    textblob_polarity: float | None = Field(
        description="TextBlob's polarity, -1 to 1; null: this method is off."
    )
    vader_compound: float | None = Field(description="VADER's compound, -1 to 1; 0 without a known word.")
    openai_sentiment: Emotions | None = Field(
        description="A language model's opinion; null: this method is off."
    )


class Sentiment(BaseModel):
    """How a text feels."""

    sentiment: Label = Field(
        description="positive for a score from 0.05, negative for one up to -0.05, else neutral."
    )
    score: float = Field(
        ge=-1, le=1, description="Mean of the methods that are on, -1 (negative) to 1 (positive)."
    )
    confidence: float = Field(
        ge=0,
        le=1,
        description="(1 + |score|) / 2: 0.5 without any evidence, towards 1 for strong wording. It is not "
        "calibrated: it is no probability that the label is right.",
    )
    details: SentimentDetails = Field(description="The methods one by one.")


_TEXT = "This event was absolutely amazing! Can't wait for the next one."


@router.post(
    "/api/analytics/sentiment",
    summary="Sentiment of a text",
    responses={
        **success(
            "The sentiment",
            {
                "sentiment": "positive",
                "score": 0.6581,
                "confidence": 0.8291,
                "details": {"textblob_polarity": None, "vader_compound": 0.6581, "openai_sentiment": None},
            },
        ),
        **failures(*COMMON, *WITH_BODY),
    },
    openapi_extra=request_body(SentimentRequest, {"review": {"text": _TEXT}}),
)
async def post_sentiment(
    caller: Reader, use: Use, body: Annotated[SentimentRequest, Depends(json_body(SentimentRequest))]
) -> Success[Sentiment]:
    """A query: nothing is stored. Needs the scope `read`."""
    if not use.settings.ai_enabled:
        raise unavailable("AI_DISABLED", "Sentiment analysis is switched off; set AI_SERVICES_ENABLED=true.")
    compound = await asyncio.to_thread(score, body.text)
    return Success(data=judge(compound))


def judge(compound: float) -> Sentiment:
    """The answer for a text with this VADER compound."""
    return Sentiment(
        sentiment=label(compound),
        score=compound,
        confidence=round((1 + abs(compound)) / 2, 4),
        details=SentimentDetails(textblob_polarity=None, vader_compound=compound, openai_sentiment=None),
    )
