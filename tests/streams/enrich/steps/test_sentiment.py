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


@pytest.mark.parametrize("claimed", [0.4404, -1, 1, 0, -0.05])
def test_what_the_client_scored_counts_where_it_left_the_text_out(claimed: float) -> None:
    compound, label = scored({"$sentiment": claimed, "$text_length": 18})
    assert compound == claimed
    assert label == ("positive" if claimed >= 0.05 else "negative" if claimed <= -0.05 else "neutral")


def test_a_text_that_is_there_is_scored_whatever_the_client_says() -> None:
    assert scored({"text": "Terrible, I hate it", "$sentiment": 1})[1] == "negative"


@pytest.mark.parametrize(
    ("claimed", "fault"),
    [
        (1.01, "out_of_range"),
        (-2, "out_of_range"),
        ("0.5", "wrong_type"),
        (True, "wrong_type"),
        ([], "wrong_type"),
    ],
)
@pytest.mark.parametrize("event", ["message_sent", "anything"])
def test_a_score_that_is_none_is_left_out_with_one_warning(claimed: object, fault: str, event: str) -> None:
    draft = draft_before("sentiment", body(event=event, properties={"$sentiment": claimed}))
    assert score_sentiment(draft, context()) is None
    assert (draft.enriched.sentiment, draft.enriched.sentiment_label) == (None, None)
    assert draft.enriched.warnings == (f"$sentiment:{fault}",)


def test_switched_off_nobodys_score_counts() -> None:
    assert scored({"$sentiment": 0.5}, context(sentiment=False)) == (None, None)
