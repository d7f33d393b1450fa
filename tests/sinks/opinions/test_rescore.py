"""Stored texts are judged later, once each, by all methods or by a language model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from uuid import UUID, uuid4

import msgspec
import pytest
import pytest_asyncio

from loopin_schemas import EnrichedEvent
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.opinions import stored
from loopin_sinks.opinions.judged import Judge, Judged
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store
from loopin_sinks.tasks import rescore_sentiment
from loopin_sinks.tasks.rescore_sentiment import RescoreArguments, rescore
from loopin_sinks.tasks.task import Context
from loopin_streams.kafka.config_state import Configuration
from loopin_text.opinion.endpoint import Judgement, NoAnswer, Reason
from loopin_text.opinion.opinions import opinion
from loopin_text.sentiment import label, score
from tests.migrated import migrated_store

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC).replace(microsecond=0)
"""The engine removes rows by its own clock."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("opinions"), migrated) as store:
        yield store


@pytest_asyncio.fixture(loop_scope="module")
async def store(opened: Store) -> Store:
    for table in ("events", "event_opinions"):
        await opened.command(f"TRUNCATE TABLE {table}")
    return opened


async def put(
    store: Store, properties: Mapping[str, Any], ago: timedelta = timedelta(hours=1), project: str = "shop"
) -> UUID:
    """An event as the stream leaves it: with VADER's score where there is a text."""
    uuid, text = uuid4(), properties.get("text")
    at = round((NOW - ago).timestamp() * 1000)
    compound = properties.get("$sentiment") if text is None else score(text)
    event = EnrichedEvent(
        project=project,
        uuid=str(uuid),
        event="review_posted",
        distinct_id="u",
        timestamp=at,
        received_at=at,
        properties=msgspec.Raw(json.dumps(properties).encode()),
        sentiment=compound,
        sentiment_label=None if compound is None else label(compound),
        raw_partition=0,
        raw_offset=0,
    )
    rows = to_arrow([event], 0, range(1), str(uuid4()), lambda _: 90, 0)
    for month, part in by_month(rows):
        await store.insert("events", part, token=f"{uuid}:{month}")
    return uuid


async def run(
    store: Store,
    model: Judge | None = None,
    now: datetime = NOW,
    judges_texts: bool = True,
    **arguments: Any,
) -> int:
    return await rescore(
        Context(
            store,
            Configuration(),
            lambda project, at: Scope(project, UTC, at),
            lambda: now,
            RescoreArguments(**arguments),
            language_model=model,
            judges_texts=judges_texts,
        )
    )


class Model:
    """Says what it is told to, or why it says nothing; remembers what it was asked."""

    def __init__(self, says: Judgement | Reason) -> None:
        self.says = says
        self.asked: list[str] = []

    def judge(self, text: str) -> Judgement:
        self.asked.append(text)
        if isinstance(self.says, str):
            raise NoAnswer(self.says, "It does not answer.")
        return self.says


async def kept_of(store: Store, project: str, uuid: UUID) -> Judged | None:
    kept = await stored.kept_of(store, project, uuid)
    assert kept is None or kept.at == NOW
    return kept and kept.judged


async def test_a_text_is_judged_once_by_all_methods(store: Store) -> None:
    text = "Not bad, but the queue was far too long"
    uuid = await put(store, {"text": text})
    assert [await run(store), await run(store)] == [1, 0]
    said = opinion(text)
    assert await kept_of(store, "shop", uuid) == Judged(
        said.sentiment, said.score, said.confidence, said.intensity, said.emotions, "en", "combination"
    )
    assert await kept_of(store, "another", uuid) is None


async def test_a_language_that_nobody_knows_has_no_score(store: Store) -> None:
    uuid = await put(store, {"text": "Das Konzert war wirklich großartig, vielen Dank!"})
    await run(store)
    assert await kept_of(store, "shop", uuid) == Judged(None, None, None, None, (), "de", "")


async def test_what_the_stream_has_said_stays(store: Store) -> None:
    await put(store, {"text": "Das Konzert war wirklich großartig, vielen Dank!"})
    await run(store)
    assert await store.query("SELECT sentiment, sentiment_label AS label FROM events") == [
        {"sentiment": -0.636, "label": "negative"}  # by the library: "war" is an English word, too
    ]


async def test_events_without_words_are_left_alone(store: Store) -> None:
    await put(store, {"price": 5})
    await put(store, {"$sentiment": 0.5})  # a private message: its words were never stored
    await put(store, {"text": "good"}, ago=rescore_sentiment.BACK + timedelta(hours=1))
    assert await run(store) == 0


async def test_a_language_model_has_the_last_word(store: Store) -> None:
    model = Model(Judgement("negative", 7, ("irony",)))
    uuid = await put(store, {"text": "Great, another hour in the rain."})
    assert await run(store, model) == 2, "the methods' opinion, and its own"
    assert await kept_of(store, "shop", uuid) == Judged(
        "negative", -0.7, None, 7, ("irony",), "en", "language_model"
    )
    assert await run(store, model) == 0
    assert model.asked == ["Great, another hour in the rain."]


@pytest.mark.parametrize("reason", get_args(Reason))
async def test_where_it_does_not_answer_the_methods_judge_until_it_does(store: Store, reason: Reason) -> None:
    text = "A wonderful night with kind people"
    uuid = await put(store, {"text": text})
    model = Model(reason)
    assert [await run(store, model), await run(store, model)] == [1, 0]
    kept = await kept_of(store, "shop", uuid)
    assert kept is not None
    assert (kept.method, kept.sentiment) == ("combination", "positive")
    model.says = Judgement("neutral", 1, ())
    assert [await run(store, model), await run(store, model)] == [1, 0]
    assert await kept_of(store, "shop", uuid) == Judged("neutral", 0.0, None, 1, (), "en", "language_model")
    assert model.asked == [text] * 3


async def test_what_was_judged_before_there_was_a_model_is_corrected(store: Store) -> None:
    texts = ["A wonderful night with kind people", "Das Konzert war wirklich großartig, vielen Dank!"]
    uuids = [await put(store, {"text": text}) for text in texts]
    assert await run(store) == 2
    assert await run(store, Model(Judgement("positive", 9, ("joy",)))) == 2
    kept = [await kept_of(store, "shop", uuid) for uuid in uuids]
    assert [(each.method, each.language) for each in kept if each] == [
        ("language_model", "en"),
        ("language_model", "de"),
    ]


@pytest.mark.parametrize(("reason", "asked"), [("budget", 1), ("circuit", 1), ("failed", 2), ("given_up", 4)])
async def test_one_that_takes_no_more_is_asked_for_no_more(
    store: Store, monkeypatch: pytest.MonkeyPatch, reason: Reason, asked: int
) -> None:
    monkeypatch.setattr(rescore_sentiment, "ASKED", 2)
    for number in range(4):
        await put(store, {"text": f"Fine {number}"})
    model = Model(reason)
    assert await run(store, model) == 4
    assert len(model.asked) == asked


async def test_a_slow_one_is_asked_only_so_long(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescore_sentiment, "ASKING_S", -1.0)
    uuid = await put(store, {"text": "Fine"})
    model = Model(Judgement("positive", 9, ("joy",)))
    assert await run(store, model) == 1
    kept = await kept_of(store, "shop", uuid)
    assert kept is not None
    assert (kept.method, model.asked) == ("combination", [])


async def test_switched_off_nobody_judges(store: Store) -> None:
    uuid = await put(store, {"text": "Fine"})
    assert await run(store, Model(Judgement("positive", 9, ())), judges_texts=False) == 0
    assert await kept_of(store, "shop", uuid) is None


async def test_the_newest_are_judged_first_within_bounds(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescore_sentiment, "MOST", 3)
    monkeypatch.setattr(rescore_sentiment, "AT_ONCE", 1)
    monkeypatch.setattr(rescore_sentiment, "ASKED", 2)
    texts = {
        hours: await put(store, {"text": f"Fine {hours}"}, timedelta(hours=hours))
        for hours in (5, 1, 4, 2, 3)
    }
    model = Model(Judgement("neutral", 0, ()))
    assert await run(store, model) == 3 + 2
    assert model.asked == ["Fine 1", "Fine 2"]
    kept = {hours: await kept_of(store, "shop", uuid) for hours, uuid in texts.items()}
    assert {hours: each and each.method for hours, each in kept.items()} == {
        1: "language_model",
        2: "language_model",
        3: "combination",
        4: None,
        5: None,
    }
    assert [await run(store), await run(store)] == [2, 0]


async def test_a_schedule_may_name_projects_and_properties(store: Store) -> None:
    await put(store, {"text": "good"}, project="other")
    named = await put(store, {"note": "a terrible mess", "$sentiment": 0.0})
    assert await run(store, projects=("shop",)) == 0
    assert await run(store, projects=("shop",), text_properties=("note",)) == 1
    kept = await kept_of(store, "shop", named)
    assert kept is not None
    assert kept.sentiment == "negative"


async def test_hostile_texts_are_judged_too(store: Store) -> None:
    texts = ["good " * 5_000, "\x00\x01 binary", "'; DROP TABLE events; --", "😂" * 1_000, "\\ud800"]
    uuids = [await put(store, {"text": text}) for text in texts]
    assert await run(store) == len(texts)
    for text, uuid in zip(texts, uuids, strict=True):
        kept = await kept_of(store, "shop", uuid)
        assert kept is not None
        assert kept.score == opinion(text).score
