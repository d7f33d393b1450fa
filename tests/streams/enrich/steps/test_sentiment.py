from __future__ import annotations

import pytest
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from loopin_streams.enrich.draft import Context
from loopin_streams.enrich.steps.sentiment import score_sentiment
from tests.streams.enrich.drafts import body, context, draft_before

Scored = tuple[float | None, str | None]


def scored(properties: dict[str, object], at: Context | None = None) -> Scored:
    at = at or context()
    draft = draft_before("sentiment", body(properties=properties), at=at)
    assert score_sentiment(draft, at) is None
    return draft.enriched.sentiment, draft.enriched.sentiment_label


@pytest.mark.parametrize(
    ("text", "label"),
    [("I love this, it is great!", "positive"), ("Terrible, I hate it", "negative"), ("a chair", "neutral")],
)
def test_the_score_is_vaders_own(text: str, label: str) -> None:
    compound = SentimentIntensityAnalyzer().polarity_scores(text)["compound"]
    assert scored({"review": text}) == (compound, label)


@pytest.mark.parametrize("properties", [{}, {"review": ""}, {"review": 5}, {"other": "I love this"}])
def test_without_text_there_is_no_score(properties: dict[str, object]) -> None:
    assert scored(properties) == (None, None)


def test_which_properties_count_is_a_setting() -> None:
    at = context(text_properties=("other",))
    assert scored({"other": "I love this", "review": "I hate this"}, at)[1] == "positive"


def test_it_can_be_switched_off() -> None:
    assert scored({"review": "I love this"}, context(sentiment=False)) == (None, None)
