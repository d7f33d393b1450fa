from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI
from textblob import TextBlob

from loopin_api.app import create_app
from loopin_api.language_model import LanguageModel
from loopin_api.settings import ApiSettings
from loopin_sinks.opinions.settings import LanguageModelError
from loopin_sinks.store import Store
from loopin_text.opinion.endpoint import Endpoint, EndpointOptions
from loopin_text.opinion.endpoint.endpoint import AT_ONCE
from loopin_text.opinion.opinions import opinion
from loopin_text.sentiment import score
from tests.text.opinion.endpoint.chat_server import ChatServer, chat_server

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker

PATH = "/api/analytics/sentiment"
GERMAN = "Das Konzert war wirklich großartig, vielen Dank dafür!"
DETAILS = ("textblob_polarity", "vader_compound", "openai_sentiment", "lexicon", "linear")
JUDGED = {"sentiment": "positive", "intensity": 8, "emotions": ["excitement", "satisfaction"]}


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
async def test_a_text_is_judged_by_all_methods(
    client: httpx.AsyncClient, bearer: Bearer, text: str, sentiment: str
) -> None:
    data = (await client.post(PATH, json={"text": text}, headers=bearer("read"))).json()["data"]
    said = opinion(text)
    assert data["sentiment"] == said.sentiment == sentiment
    assert (data["score"], data["confidence"]) == (said.score, said.confidence)
    assert (data["intensity"], data["emotions"]) == (said.intensity, list(said.emotions))
    assert (data["supported"], data["method"]) == (True, "combination")
    assert data["details"]["vader_compound"] == score(text)
    assert data["details"]["textblob_polarity"] == pytest.approx(TextBlob(text).polarity, abs=0.0001)
    assert data["details"]["openai_sentiment"] is None


async def test_a_language_that_no_method_knows_is_said(client: httpx.AsyncClient, bearer: Bearer) -> None:
    data = (await client.post(PATH, json={"text": GERMAN}, headers=bearer("read"))).json()["data"]
    assert data == {
        "sentiment": None,
        "score": None,
        "confidence": None,
        "intensity": None,
        "emotions": [],
        "language": "de",
        "supported": False,
        "method": None,
        "details": dict.fromkeys(DETAILS),
    }


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as state:
        yield state


@pytest.fixture
async def asking(app: FastAPI, server: ChatServer) -> AsyncIterator[None]:
    """The application asks the server."""
    model = model_of(server, timeout_s=60)
    app.state.services = replace(app.state.services, language_model=model)
    yield
    server.released.set()
    model.close()


@pytest.mark.usefixtures("asking")
async def test_a_language_models_opinion_stands_beside(client: httpx.AsyncClient, bearer: Bearer) -> None:
    data = (await client.post(PATH, json={"text": "A fine night"}, headers=bearer("read"))).json()["data"]
    assert data["details"]["openai_sentiment"] == JUDGED
    assert (data["score"], data["method"]) == (opinion("A fine night").score, "combination")


@pytest.mark.usefixtures("asking")
async def test_it_judges_alone_in_languages_that_only_it_knows(
    client: httpx.AsyncClient, bearer: Bearer
) -> None:
    data = (await client.post(PATH, json={"text": GERMAN}, headers=bearer("read"))).json()["data"]
    assert (data["sentiment"], data["score"], data["intensity"]) == ("positive", 0.8, 8)
    assert (data["emotions"], data["confidence"]) == (JUDGED["emotions"], None)
    assert (data["supported"], data["method"]) == (False, "language_model")


@pytest.mark.usefixtures("asking")
async def test_one_that_fails_is_left_out(
    client: httpx.AsyncClient, bearer: Bearer, server: ChatServer
) -> None:
    server.status = 500
    data = (await client.post(PATH, json={"text": "A fine night"}, headers=bearer("read"))).json()["data"]
    assert (data["sentiment"], data["details"]["openai_sentiment"]) == ("positive", None)


async def test_one_that_hangs_holds_up_nobody_else(
    app: FastAPI, client: httpx.AsyncClient, bearer: Bearer, server: ChatServer
) -> None:
    server.hangs = True
    model = model_of(server, timeout_s=600)
    app.state.services = replace(app.state.services, language_model=model)

    async def ask(number: int) -> Any:
        body = {"text": f"A fine night {number}"}
        return (await client.post(PATH, json=body, headers=bearer("read"))).json()["data"]

    waiting = [asyncio.create_task(ask(number)) for number in range(AT_ONCE)]
    for _ in waiting:
        assert await asyncio.to_thread(server.arrived.acquire, timeout=60)
    others = await asyncio.gather(*map(ask, range(AT_ONCE, 12)))
    assert {(each["sentiment"], each["details"]["openai_sentiment"]) for each in others} == {
        ("positive", None)
    }
    assert [each.done() for each in waiting] == [False] * AT_ONCE
    server.released.set()
    assert [(await each)["details"]["openai_sentiment"] for each in waiting] == [JUDGED] * AT_ONCE
    model.close()


async def test_nobody_waits_longer_than_that_may_take(
    app: FastAPI, client: httpx.AsyncClient, bearer: Bearer, server: ChatServer
) -> None:
    server.hangs = True
    model = model_of(server, timeout_s=0.2, endpoint_s=600)
    app.state.services = replace(app.state.services, language_model=model)
    data = (await client.post(PATH, json={"text": "A fine night"}, headers=bearer("read"))).json()["data"]
    assert (data["sentiment"], data["details"]["openai_sentiment"]) == ("positive", None)
    server.released.set()
    model.close()


def model_of(server: ChatServer, timeout_s: float, endpoint_s: float | None = None) -> LanguageModel:
    endpoint = Endpoint(EndpointOptions(server.url, "m", timeout_s=endpoint_s or timeout_s))
    return LanguageModel(endpoint, timeout_s)


@pytest.mark.parametrize("body", [{}, {"text": None}, {"text": 5}, {"text": ["a"]}, {"text": "x" * 100_001}])
async def test_what_is_no_text_is_refused(
    client: httpx.AsyncClient, bearer: Bearer, refused: Callable[..., dict[str, Any]], body: dict[str, Any]
) -> None:
    response = await client.post(PATH, json=body, headers=bearer("read"))
    assert refused(response, 422, "VALIDATION_ERROR")["details"][0]["field"] == "text"


async def test_a_field_that_there_is_not_is_refused(
    client: httpx.AsyncClient, bearer: Bearer, refused: Callable[..., dict[str, Any]]
) -> None:
    response = await client.post(PATH, json={"text": "good", "langauge": "en"}, headers=bearer("read"))
    assert refused(response, 422, "VALIDATION_ERROR")["details"][0]["field"] == "langauge"


async def test_switched_off_it_says_so(
    app: FastAPI, client: httpx.AsyncClient, bearer: Bearer, refused: Callable[..., Any]
) -> None:
    app.state.services.settings.ai_enabled = False
    response = await client.post(PATH, json={"text": "good"}, headers=bearer("read"))
    refused(response, 503, "AI_DISABLED")


@pytest.mark.parametrize(
    ("url", "model", "named"),
    [
        ("http://localhost:1/v1", None, "LOOPIN_OPENAI_MODEL"),
        ("http://localhost:1/v1", "", "LOOPIN_OPENAI_MODEL"),
        ("localhost:1", "m", "LOOPIN_OPENAI_BASE_URL"),
    ],
)
def test_half_a_language_model_is_refused(
    settings: ApiSettings, untouched_store: Store, broker: Broker, url: str, model: str | None, named: str
) -> None:
    asked = settings.model_copy(update={"openai_base_url": url, "openai_model": model})
    with pytest.raises(LanguageModelError, match=named):
        create_app(asked, untouched_store, broker)


def test_a_key_alone_sends_no_text_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-something-else")
    assert ApiSettings().language_model() is None
