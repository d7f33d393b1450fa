"""Each method against its library, another computation, or by hand."""

from __future__ import annotations

import json
import math
import sys
from base64 import b64decode

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax as scipy_softmax
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import normalize
from textblob import TextBlob
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from loopin_text.opinion import textblob
from loopin_text.opinion.learned import FOLDER, Learned, learned
from loopin_text.opinion.lexicon import LexiconMethod
from loopin_text.opinion.linear import LinearMethod, Outputs, softmax
from loopin_text.opinion.methods import METHODS
from loopin_text.opinion.textblob import TextBlobMethod
from loopin_text.opinion.train.snippets import snippets
from loopin_text.opinion.vader import VaderMethod
from loopin_text.opinion.words import words_of

SNIPPETS = snippets()[::97]
TEXTS = st.one_of(
    st.text(alphabet=st.characters(codec=None), max_size=80),
    st.lists(
        st.sampled_from(["good", "not", "very", "terrible", "GREAT", ":)", "!", "😂", "the", "isn't"])
    ).map(" ".join),
)


@pytest.fixture(scope="module")
def release() -> Learned:
    return learned()


def test_vader_is_the_library() -> None:
    library = SentimentIntensityAnalyzer()
    for snippet in SNIPPETS:
        scores = library.polarity_scores(snippet.text)
        said = VaderMethod().score(snippet.text)
        assert said.signals == (scores["compound"], scores["neg"], scores["pos"])
        assert said.score == scores["compound"]


def test_textblob_is_the_library() -> None:
    for snippet in SNIPPETS:
        library = TextBlob(snippet.text).sentiment
        said = TextBlobMethod().score(snippet.text)
        assert said is not None
        assert said.signals == (library.polarity, library.subjectivity)


def test_textblob_is_off_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "textblob.en.sentiments", None)
    textblob._analyzer.cache_clear()
    try:
        assert TextBlobMethod().score("good") is None
    finally:
        textblob._analyzer.cache_clear()


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("A good show", 3),
        ("A good, good show", 6),
        ("Not a good show", -3),
        ("good but terrible :(", 3 - 4 - 2),
        ("nothing known", 0),
        ("", 0),
    ],
)
def test_the_lexicon_adds_up_its_valences(text: str, total: int) -> None:
    method = LexiconMethod({"good": 3, "terrible": -4, ":(": -2})
    said = method.score(text)
    assert said.score == pytest.approx(total / math.sqrt(total**2 + 15))
    assert said.label == ("positive" if total > 0 else "negative" if total < 0 else "neutral")


def test_valences_are_whole_numbers_from_minus_five_to_five() -> None:
    valences = json.loads((FOLDER / "lexicon.json").read_text())
    assert {type(each) for each in valences.values()} == {int}
    assert 0 < min(map(abs, valences.values())) <= max(map(abs, valences.values())) <= 5
    assert not valences.keys() & {"!", "!!!", "??", "="}, "marks feel nothing"
    assert min(valences[word] for word in ("great", "love", "amazing", ":)")) > 0
    assert max(valences[word] for word in ("terrible", "worst", "hate", ":(")) < 0


def test_the_lexicon_is_not_vaders() -> None:
    theirs = SentimentIntensityAnalyzer().lexicon
    ours = json.loads((FOLDER / "lexicon.json").read_text())
    assert sum(word not in theirs for word in ours) > len(ours) / 2


def test_the_linear_model_is_what_its_file_says(release: Learned) -> None:
    """Read anew, and multiplied as a matrix of scikit-learn's own counts."""
    file = json.loads((FOLDER / "linear.json").read_text())
    grams = file["grams"].split("\n")
    weights = np.frombuffer(b64decode(file["weights"]), dtype=np.int8).reshape(-1, 3) * file["step"]
    texts = [words_of(snippet.text) for snippet in SNIPPETS]
    counter = CountVectorizer(
        analyzer=lambda words: [
            *words,
            *(f"{one} {next_}" for one, next_ in zip(words, words[1:], strict=False)),
        ],
        vocabulary=grams,
        binary=True,
    )
    outputs = normalize(counter.transform(texts)) @ weights + file["intercepts"]
    method = LinearMethod(release.intercepts, release.weights)
    assert np.allclose([method.outputs(words) for words in texts], outputs)


def test_the_linear_models_score_is_the_probabilities_difference() -> None:
    weights = {"good": Outputs(-1.0, 2.0, 1.5), "not_good": Outputs(3.0, -1.0, -1.0)}
    method = LinearMethod(Outputs(-0.5, -0.5, 0.25), weights)
    positive = method.score("good")
    odds = np.exp([-1.5, 0.0, 1.5])
    assert positive.score == pytest.approx((odds[2] - odds[0]) / odds.sum())
    assert positive.signals == pytest.approx((3.0, 0.0, 1.75))
    assert [method.score(text).label for text in ("good", "not good", "unknown")] == [
        "positive",
        "negative",
        "neutral",
    ]
    root = math.sqrt(2)
    assert method.outputs(["good", "not_good"]) == pytest.approx(
        (-0.5 + 2 / root, -0.5 + 1 / root, 0.25 + 0.5 / root)
    )


@given(st.lists(st.floats(-800, 800), min_size=1, max_size=5))
def test_softmax_is_scipys(logits: list[float]) -> None:
    assert softmax(logits) == pytest.approx(scipy_softmax(logits).tolist())


@given(TEXTS)
@settings(max_examples=150, deadline=None)
def test_every_method_scores_any_text_within_bounds(text: str) -> None:
    for make in METHODS:
        said = make(learned()).score(text)
        assert said is not None
        assert -1 <= said.score <= 1
        assert all(map(math.isfinite, said.signals))
        usual = make(learned()).score("good")
        assert usual is not None
        assert len(said.signals) == len(usual.signals)
