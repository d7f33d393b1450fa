"""POST /api/analytics/sentiment, GET /api/analytics/sentiment/{uuid}."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from loopin_api.body import json_body
from loopin_api.envelope import Moment, Success
from loopin_api.errors import ApiError, unavailable
from loopin_api.openapi import COMMON, EXAMPLE_TIME, WITH_BODY, failures, request_body, success
from loopin_api.services import Reader, Use
from loopin_sinks.opinions.stored import kept_of
from loopin_text.opinion.endpoint import Judgement
from loopin_text.opinion.method import Scored
from loopin_text.opinion.opinions import Opinion, opinion
from loopin_text.sentiment import SCORED_LENGTH, SCORED_WORDS, Label

router = APIRouter(tags=["analytics"])


class SentimentRequest(BaseModel):
    """A text to judge."""

    model_config = ConfigDict(strict=True, extra="forbid")

    text: str = Field(
        max_length=100_000,
        description=f"The text; the first {SCORED_LENGTH} characters and {SCORED_WORDS} words count. Text "
        "without a word is neutral.",
    )


class Emotions(BaseModel):
    """The opinion of a language model."""

    sentiment: Label = Field(description="Its label.")
    intensity: int = Field(ge=0, le=10, description="How strong the feeling is, 0 to 10.")
    emotions: list[str] = Field(description="The feelings it names.")


class SentimentDetails(BaseModel):
    """What each method says; null for those that are off, and for those that do not know the language."""

    textblob_polarity: float | None = Field(
        description="TextBlob's polarity, -1 to 1; null: the extra `models` is not installed."
    )
    vader_compound: float | None = Field(
        description="VADER's compound, -1 to 1, as the stream scores an event's text; 0 without a known word."
    )
    openai_sentiment: Emotions | None = Field(
        description="A language model's opinion; null: none is configured (`LOOPIN_OPENAI_BASE_URL`), or it "
        "did not answer in time."
    )
    lexicon: float | None = Field(
        description="Sum of the words' whole-number valences, normalised to -1 to 1."
    )
    linear: float | None = Field(
        description="The linear model's probability of positive less that of negative, -1 to 1."
    )


class Feeling(BaseModel):
    """How a text feels. Null where the text is in a language that no method knows."""

    sentiment: Label | None = Field(
        description="positive for a score from 0.05, negative for one up to -0.05, else neutral."
    )
    score: float | None = Field(
        ge=-1,
        le=1,
        description="-1 (negative) to 1 (positive): the mean rating that people would give, -4 to 4, by 4.",
    )
    confidence: float | None = Field(
        ge=0,
        le=1,
        description="Probability that the label is right, 0 to 1, calibrated: of labels said with 0.8 about "
        "80 % are. Null where a language model alone has judged: nobody has measured that.",
    )
    intensity: int | None = Field(
        ge=0, le=10, description="How strong the feeling is, 0 to 10: 10 times |score|."
    )
    emotions: list[str] = Field(description="Emotions that the text has words of, most words first.")
    language: str | None = Field(
        description="ISO 639-1 code; `und`: letters that are not English; null: too short to tell, taken for "
        "English."
    )
    method: Literal["combination", "language_model"] | None = Field(
        description="Who has judged: the methods together, or, where they do not know the language, the "
        "language model; null: nobody."
    )


class Sentiment(Feeling):
    """How a text feels, and what each method says."""

    supported: bool = Field(description="Whether the methods know the language (English).")
    details: SentimentDetails = Field(description="The methods one by one.")


_FEELING: Final = {
    "sentiment": "positive",
    "score": 0.6246,
    "confidence": 0.9799,
    "intensity": 6,
    "emotions": ["excitement"],
    "language": "en",
    "method": "combination",
}
_TEXT: Final = "This event was absolutely amazing! Can't wait for the next one."


@router.post(
    "/api/analytics/sentiment",
    summary="Sentiment of a text",
    responses={
        **success(
            "The sentiment",
            {
                **_FEELING,
                "supported": True,
                "details": {
                    "textblob_polarity": 0.375,
                    "vader_compound": 0.6581,
                    "openai_sentiment": None,
                    "lexicon": 0.7906,
                    "linear": 0.9659,
                },
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
    judgement, judged = await asyncio.gather(
        use.language_model.ask(body.text), asyncio.to_thread(opinion, body.text)
    )
    return Success(data=answer(judged, judgement))


class EventSentiment(Feeling):
    """How the text of an event feels, as it was judged after the stream."""

    uuid: UUID = Field(description="The event.")
    judged_at: Moment = Field(description="When, ISO 8601 in UTC.")


@router.get(
    "/api/analytics/sentiment/{uuid}",
    summary="Sentiment of an event's text",
    responses={
        **success(
            "The sentiment",
            {
                **_FEELING,
                "uuid": "0199c7a4-5f00-7000-8000-000000000001",
                "judged_at": EXAMPLE_TIME,
            },
        ),
        **failures(404, *COMMON),
    },
)
async def get_sentiment(
    caller: Reader, use: Use, uuid: Annotated[UUID, Path(description="The event's uuid.")]
) -> Success[EventSentiment]:
    """What the task `rescore_sentiment` has kept of it, beside the stream's own score, which the event has.

    Needs the scope `read`.
    """
    kept = await kept_of(use.store, caller.project, uuid)
    if kept is None:
        raise ApiError(
            404,
            "NOT_JUDGED",
            "Nothing is kept of this event; texts are judged every ten minutes, if they are new.",
        )
    said = kept.judged
    return Success(
        data=EventSentiment(
            uuid=uuid,
            sentiment=said.sentiment,
            score=said.score,
            confidence=said.confidence,
            intensity=said.intensity,
            emotions=list(said.emotions),
            language=said.language,
            method=said.method or None,
            judged_at=kept.at,
        )
    )


def answer(judged: Opinion, judgement: Judgement | None) -> Sentiment:
    """The methods' opinion; the language model's beside it, or instead where only that knows the language."""
    details = SentimentDetails(
        textblob_polarity=_score(judged.methods["textblob"]),
        vader_compound=_score(judged.methods["vader"]),
        openai_sentiment=Emotions(
            sentiment=judgement.sentiment, intensity=judgement.intensity, emotions=list(judgement.emotions)
        )
        if judgement
        else None,
        lexicon=_score(judged.methods["lexicon"]),
        linear=_score(judged.methods["linear"]),
    )
    alone = judgement if not judged.supported else None
    return Sentiment(
        sentiment=alone.sentiment if alone else judged.sentiment,
        score=alone.score if alone else judged.score,
        confidence=judged.confidence,
        intensity=alone.intensity if alone else judged.intensity,
        emotions=list(alone.emotions if alone else judged.emotions),
        language=judged.language,
        supported=judged.supported,
        method="language_model" if alone else "combination" if judged.supported else None,
        details=details,
    )


def _score(scored: Scored | None) -> float | None:
    return None if scored is None else round(scored.score, 4)
