from __future__ import annotations

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textblob import TextBlob
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from loopin_text.opinion import language, textblob
from loopin_text.opinion.emoji import EMOTICONS, VALENCES
from loopin_text.opinion.emotions import EMOTIONS
from loopin_text.opinion.opinions import Opinion, opinion
from loopin_text.sentiment import SCORED_WORDS, label

LONG = {
    "a letter": "a" * 1_000_000,
    "words": "good " * 200_000,
    "marks": "(" * 1_000_000,
    "negations": "not very n't " * 80_000,
    "emoji": "😂" * 250_000,
    "emoticons": ":-)))" * 200_000,
    "references": "&amp;" * 200_000,
    "apostrophes": "a'" * 500_000,
    "accents": "a\u0301" * 500_000,
    "addresses": "http://" * 150_000,
    "blanks": " " * 1_000_000,
    "binary": bytes(range(256)).decode("latin-1") * 4_000,
    "no characters": "\x00\ud800\udfff\U0010ffff" * 250_000,
}


@pytest.mark.parametrize(
    ("text", "sentiment", "emotions"),
    [
        ("This event was absolutely amazing! Can't wait for the next one.", "positive", ("excitement",)),
        ("Terrible sound, rude staff, I want my money back.", "negative", ("anger",)),
        ("I loved it, thank you so much :)", "positive", ("joy", "love", "gratitude")),
        ("It was not good at all.", "negative", ()),
        ("I am not happy with this.", "negative", ()),
        ("The worst night of my life, boring and overpriced", "negative", ("disappointment",)),
        ("😍😍😍", "positive", ("joy", "love")),
        ("So sad, I cried 😢", "negative", ("sadness",)),
    ],
)
def test_texts_are_judged_as_people_would(text: str, sentiment: str, emotions: tuple[str, ...]) -> None:
    said = opinion(text)
    assert (said.sentiment, said.emotions) == (sentiment, emotions)
    assert said.supported


NEGATIVE = [
    "😡",
    "🙄",
    "👎",
    "💔",
    "💩",
    "🤬",
    "😠",
    "😢",
    "😭",
    "😞",
    "😤",
    "🤢",
    "🤮",
    "😩",
    "😱",
    "🤦",
    "☹️",
    "👎🏿",
    "😡😡😡",
    "💔😢",
]
POSITIVE = [
    "👍",
    "🔥",
    "❤️",
    "😍",
    "😀",
    "😂",
    "🥰",
    "🎉",
    "👏",
    "💯",
    "🙌",
    "😊",
    "🤩",
    "💪",
    "🏆",
    "😘",
    "💖",
    "👍🏽",
    "👍👍👍",
    "🔥🔥",
]


@pytest.mark.parametrize(
    ("text", "sentiment"),
    [*((text, "negative") for text in NEGATIVE), *((text, "positive") for text in POSITIVE)],
)
def test_emoji_alone_are_judged_as_people_mean_them(text: str, sentiment: str) -> None:
    said = opinion(text)
    assert said.sentiment == sentiment
    assert said.confidence is not None
    assert said.confidence > 0.8


@pytest.mark.parametrize(
    "text",
    [
        "Well 😡😡",
        "🔥",
        "CANCELLED!!!",
        "SCAM!!!",
        "REFUND NOW!!!",
        "The app crashed AGAIN!!!",
        "Well 👍",
        "Er war nett",
    ],
)
def test_marks_capitals_and_length_decide_nothing(text: str) -> None:
    """The feeling that a person sees, or that nobody knows: never the opposite, nor neutral for sure."""
    said = opinion(text)
    feeling = "positive" if text in ("🔥", "Well 👍", "Er war nett") else "negative"
    assert said.confidence is not None
    assert said.sentiment == feeling or (said.sentiment == "neutral" and said.confidence < 0.6)


@pytest.mark.parametrize(
    "text", ["schlecht", "Sehr gut", "Das war gut", "bonjour", "Qwxyz blarg", "📢", "KINO!!!", "⭐"]
)
def test_what_no_method_knows_is_neutral_and_unsure(text: str) -> None:
    said = opinion(text)
    assert (said.sentiment, said.score, said.language, said.supported) == ("neutral", 0.0, None, True)
    assert said.confidence is not None
    assert 0.3 < said.confidence < 0.6


def test_emoji_do_not_change_what_the_libraries_say() -> None:
    methods = opinion("Great 😡 🔥").methods
    vader, textblob = methods["vader"], methods["textblob"]
    assert vader
    assert textblob
    assert vader.score == SentimentIntensityAnalyzer().polarity_scores("Great 😡 🔥")["compound"]
    assert textblob.score == TextBlob("Great 😡 🔥").sentiment.polarity


def test_emoji_have_whole_valences_of_the_peoples_scale() -> None:
    assert set(VALENCES.values()) == set(EMOTICONS) <= set(range(-4, 5))
    assert all(len(emoji) == 1 and not emoji.isascii() for emoji in VALENCES)


@pytest.mark.parametrize("text", ["", " \n", "...", "!?", "12345", "\x00", "\ud800"])
def test_a_text_without_a_word_is_neutral_for_certain(text: str) -> None:
    said = opinion(text)
    assert (said.sentiment, said.score, said.confidence, said.intensity) == ("neutral", 0.0, 1.0, 0)
    assert (said.emotions, said.supported) == ((), True)


@pytest.mark.parametrize(
    ("text", "code"),
    [("Das Konzert war wirklich großartig, vielen Dank!", "de"), ("यह कार्यक्रम बहुत अच्छा था", "hi")],
)
def test_a_language_that_no_method_knows_gets_no_score(text: str, code: str) -> None:
    said = opinion(text)
    nothing = dict.fromkeys(("vader", "textblob", "lexicon", "linear"))
    assert said == Opinion(None, None, None, None, (), code, False, nothing)


@pytest.mark.parametrize(
    "text",
    [
        "Qué evento tan maravilloso, me encantó todo",
        "No me gustó nada, muy mal organizado",
        "Foi péssimo, nunca mais volto",
        "La musica era bellissima, ci torneremo",
        "Det var en fantastisk kväll",
        "Una noche inolvidable con amigos",
        "Acara yang sangat bagus, terima kasih",
        "Super Abend, gerne wieder",
    ],
)
def test_everyday_words_of_other_languages_are_not_taken_for_english(text: str) -> None:
    said = opinion(text)
    assert (said.supported, said.score, said.sentiment) == (False, None, None)
    assert said.language not in (None, "en")


@given(
    st.one_of(
        st.text(alphabet=st.characters(codec=None), max_size=200),
        st.lists(
            st.sampled_from(["good", "BAD", "not", "but", ":)", "😂", "!!", "über", "the", "isn't"])
        ).map(" ".join),
    )
)
@settings(max_examples=200, deadline=None)
def test_any_text_gets_an_opinion_that_agrees_with_itself(text: str) -> None:
    agrees(opinion(text))


def agrees(said: Opinion) -> None:
    if not said.supported:
        assert said.language not in (None, "en")
        assert (said.sentiment, said.score, said.confidence, said.intensity) == (None, None, None, None)
        return
    assert said.score is not None
    assert said.confidence is not None
    assert label(said.score) == said.sentiment
    assert 0 <= said.confidence <= 1
    assert said.intensity == round(10 * abs(said.score))
    assert set(said.emotions) <= set(EMOTIONS)
    assert all(scored and math.isfinite(scored.score) for scored in said.methods.values())


@pytest.mark.parametrize("name", LONG)
def test_long_texts_are_judged_by_their_beginning(name: str) -> None:
    """A megabyte takes no more work than its first characters: the same opinion as of those alone."""
    said = opinion(LONG[name])
    agrees(said)
    assert said == opinion(LONG[name][:5_000])


def test_what_is_said_late_in_a_long_text_does_not_count() -> None:
    start = "good " * SCORED_WORDS
    assert opinion(start + "terrible " * 1_000) == opinion(start)


def test_threads_agree() -> None:
    texts = [f"good night {number} but not so great" for number in range(40)]
    alone = [opinion(text) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        for said in pool.map(lambda _: [opinion(text) for text in texts], range(4)):
            assert said == alone


def test_without_the_libraries_of_models_the_other_methods_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "textblob.en.sentiments", None)
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    monkeypatch.setattr(textblob, "_analyzer", textblob._analyzer.__wrapped__)
    monkeypatch.setattr(language, "_identifier", vars(language._identifier)["__wrapped__"])
    said = opinion("A wonderful evening with very kind people")
    assert said.methods["textblob"] is None
    assert (said.sentiment, said.language) == ("positive", None)
    assert opinion("यह कार्यक्रम बहुत अच्छा था").language == "und"


def test_nothing_heavy_is_loaded_before_somebody_asks() -> None:
    heavy = ("numpy", "py3langid", "scipy", "sklearn", "textblob")
    program = "import sys, loopin_text.opinion.opinions, loopin_text.opinion.endpoint; "
    program += f"print([name for name in {heavy} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_emoji_may_be_written_as_web_editors_do() -> None:
    for picture, entity in (
        ("\N{SMILING FACE WITH HEART-SHAPED EYES}", "&#128525;"),
        ("\N{BUILDING CONSTRUCTION}", "&#127959;"),
    ):
        written, plain = opinion(f"{entity} {entity}"), opinion(f"{picture} {picture}")
        assert (written.sentiment, written.score, written.confidence) == (
            plain.sentiment,
            plain.score,
            plain.confidence,
        )
