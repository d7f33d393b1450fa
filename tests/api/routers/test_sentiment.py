from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.routers.sentiment import judge
from loopin_sinks.store import Store
from loopin_text.sentiment import score

if TYPE_CHECKING:
    from tests.api.conftest import Bearer

PATH = "/api/analytics/sentiment"


@pytest.fixture
def store(untouched_store: Store) -> Store:
    return untouched_store


@pytest.mark.parametrize(
    ("text", "sentiment"),
    [
        ("This event was absolutely amazing! Can't wait for the next one.", "positive"),
        ("Terrible sound, rude staff, I want my money back.", "negative"),
        ("The event starts at seven.", "neutral"),
        ("", "neutral"),
        ("\x00", "neutral"),
        ("💘", "positive"),
    ],
)
async def test_a_text_is_judged_by_vader(
    client: httpx.AsyncClient, bearer: Bearer, text: str, sentiment: str
) -> None:
    data = (await client.post(PATH, json={"text": text}, headers=bearer("read"))).json()["data"]
    assert data["sentiment"] == sentiment
    assert data["score"] == data["details"]["vader_compound"] == score(text)
    assert data["details"] == {
        "textblob_polarity": None,
        "vader_compound": score(text),
        "openai_sentiment": None,
    }


@pytest.mark.parametrize(
    ("compound", "confidence"), [(0.0, 0.5), (0.5, 0.75), (-0.5, 0.75), (1.0, 1.0), (-1.0, 1.0)]
)
def test_confidence_grows_with_the_strength_of_the_words(compound: float, confidence: float) -> None:
    assert judge(compound).confidence == confidence


@pytest.mark.parametrize("body", [{}, {"text": None}, {"text": 5}, {"text": ["a"]}, {"text": "x" * 100_001}])
async def test_what_is_no_text_is_refused(
    client: httpx.AsyncClient, bearer: Bearer, refused: Callable[..., dict[str, Any]], body: dict[str, Any]
) -> None:
    response = await client.post(PATH, json=body, headers=bearer("read"))
    assert refused(response, 422, "VALIDATION_ERROR")["details"][0]["field"] == "text"


async def test_switched_off_it_says_so(
    app: FastAPI, client: httpx.AsyncClient, bearer: Bearer, refused: Callable[..., Any]
) -> None:
    app.state.services.settings.ai_enabled = False
    response = await client.post(PATH, json={"text": "good"}, headers=bearer("read"))
    refused(response, 503, "AI_DISABLED")
