"""The scorer gives the library's four values for any text."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vaderSentiment.vaderSentiment import BOOSTER_DICT, NEGATE

from loopin_text.vader import Scores, Vader
from loopin_text.vader.memo import ENTRIES
from loopin_text.vader.words import NAMED

from .library import LIBRARY, differences, library_scores
from .mutations import BLANKS, CONTRACTIONS, EMOJI, IDIOMS, PHRASES, PUNCTUATION, UNICODE, mutations
from .snippets import rated_snippets

VADER = Vader()
RULED = sorted({*NAMED, *NEGATE, *BOOSTER_DICT, *IDIOMS, *PHRASES})
SOME_SENTIMENT = ["good", "BAD", "great", "sux", "lol", "smart", "terrible", ":)", ":D", "hope", "x(", "o:)"]
PARTS = [*RULED, *map(str.upper, RULED), *SOME_SENTIMENT, "the", "Film", "OK", "!!", "?", "😂", "💘", "🔛"]
MARKS = [*PUNCTUATION, *CONTRACTIONS, *UNICODE, *BLANKS, *EMOJI[::50]]


def assert_same(text: str) -> None:
    assert list(differences(VADER, [text])) == []


def test_every_rated_text_and_10_000_mutations_score_as_the_library_does() -> None:
    # In a process that coverage does not look into: each text would take ten times as long. `make texts`
    # scores 100,000 mutations.
    unwatched = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = [sys.executable, "-m", "tests.text.vader.differences", "--seed", "14"]
    command += ["--mutations", "10000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=unwatched)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.rsplit(maxsplit=4) for line in done.stdout.splitlines()]
    assert [(what, count, differing) for what, count, _, differing, _ in lines] == [
        ("rated texts", "23,703", "0"),
        ("mutations", "10,000", "0"),
    ]


def test_mutations_differ_from_each_other() -> None:
    texts = list(mutations(rated_snippets(), 10_000, seed=14))
    assert len(set(texts)) > 9_000
    assert list(differences(VADER, texts[:500])) == []


@pytest.mark.parametrize("form", ["{}", "{} word", "not {}", "VERY {} word", "no {}"])
def test_every_word_of_the_lexicon_scores_as_in_the_library(form: str) -> None:
    words = [*LIBRARY.lexicon, *map(str.upper, LIBRARY.lexicon)]
    assert list(differences(VADER, map(form.format, words))) == []


def test_every_emoji_scores_as_in_the_library() -> None:
    assert list(differences(VADER, [f"so{emoji}good {emoji}{emoji}" for emoji in LIBRARY.emojis])) == []


@given(st.lists(st.sampled_from(PARTS), max_size=12).map(" ".join))
@settings(max_examples=600, deadline=None)
def test_any_words_of_the_rules_score_as_in_the_library(text: str) -> None:
    assert_same(text)


@given(
    st.lists(
        st.one_of(st.sampled_from(PARTS), st.sampled_from(MARKS), st.sampled_from(BLANKS)), max_size=24
    ).map("".join)
)
@settings(max_examples=400, deadline=None)
def test_any_run_of_words_marks_and_blanks_scores_as_in_the_library(text: str) -> None:
    assert_same(text)


@given(st.text(alphabet=st.characters(codec=None), max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_characters_score_as_in_the_library(text: str) -> None:
    assert_same(text)


@pytest.mark.parametrize("blank", ["", " ", "\n\t\u2003", "\x1c"])
def test_a_text_without_words_has_no_shares(blank: str) -> None:
    assert VADER.scores(blank) == library_scores(blank) == Scores(0.0, 0.0, 0.0, 0.0)


def test_a_but_changes_the_first_of_equal_valences_as_in_the_library() -> None:
    for text in (
        "good good but good",
        "good but good good bad bad",
        "but good good",
        "bad good but",
        "BUT good",
    ):
        assert_same(text)


def test_no_texts_make_the_tables_grow_without_bound() -> None:
    vader = Vader()
    contexts = itertools.product(vader._windows._word.values(), repeat=3)
    letters = windows = 0
    for number, context in enumerate(itertools.islice(contexts, ENTRIES + 1_000)):
        vader.compound(f"{' '.join(context)} good token{number}")
        letters, windows = max(letters, len(vader._letter)), max(windows, len(vader._windows._valence))
    assert ENTRIES - 10 < letters <= ENTRIES
    assert ENTRIES - 10 < windows <= ENTRIES
