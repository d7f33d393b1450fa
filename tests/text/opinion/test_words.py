from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopin_text.opinion.words import described_words_of, plain, speaks, words_of
from loopin_text.sentiment import SCORED_LENGTH


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Great show", ["great", "show"]),
        ("It's not good, but GREAT!!!", ["it's", "not", "not_good", ",", "but", "great", "!!!"]),
        ("I don’t like any of this", ["i", "don't", "not_like", "not_any", "not_of", "this"]),
        ("No. Good", ["no", ".", "good"]),
        ("fun :-))))) <3", ["fun", ":-)", "<3"]),
        ("Q&amp;A at 8", ["q", "&", "a", "at"]),
        ("Café à Rome", ["café", "à", "rome"]),
        ("\x00\ud800…", []),
        ("", []),
    ],
)
def test_words_are_as_a_person_reads_them(text: str, words: list[str]) -> None:
    assert list(words_of(text)) == words


def test_an_emoji_counts_as_emoticons_or_as_the_words_of_its_description() -> None:
    assert words_of("ok 😢 📢") == ("ok", ":(", ":(")
    assert described_words_of("ok 😢") == ("ok", "crying", "face")


@pytest.mark.parametrize(
    ("text", "whether"), [("hello", True), (":)", True), ("<3", True), ("...!?", False), (";", False)]
)
def test_marks_alone_say_nothing(text: str, whether: bool) -> None:
    assert speaks(words_of(text)) == whether


@given(st.text(alphabet=st.characters(max_codepoint=0x7F, exclude_characters="&"), max_size=200))
@settings(max_examples=200, deadline=None)
def test_words_stand_in_the_text_in_their_order(text: str) -> None:
    at = 0
    for word in words_of(text):
        found = text.lower().index(plain(word), at)
        assert not any(map(str.isalpha, text[at:found])), "no letter is passed over"
        at = found + len(plain(word))


def test_no_text_has_more_words_than_characters_that_are_scored() -> None:
    for text in ("!" * 1_000_000, "a'" * 100_000, ":)" * 100_000, "😂" * 100_000, "&amp;" * 100_000):
        assert len(words_of(text)) <= SCORED_LENGTH
