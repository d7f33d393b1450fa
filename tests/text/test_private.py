"""Private texts leave as what the library scores them, and as their length."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from loopin_text.private import can_score, without_private_text

LIBRARY = SentimentIntensityAnalyzer()
PRIVATE = ("text", "message")


@pytest.mark.parametrize("text", ["I love this!", "What a horrible, sad day.", "क्या हाल है 😀", "plain"])
def test_score_and_length_stand_in_its_place(text: str) -> None:
    given = {"text": text, "to": "u2"}
    assert without_private_text(given, PRIVATE) == {
        "to": "u2",
        "$text_length": len(text),
        "$sentiment": LIBRARY.polarity_scores(text)["compound"],
    }
    assert given == {"text": text, "to": "u2"}


def test_without_private_text_nothing_changes() -> None:
    given = {"to": "u2", "$sentiment": 0.5, "$text_length": 7}
    assert without_private_text(given, PRIVATE) is given
    assert without_private_text({"text": "x"} | given, ()) == {"text": "x"} | given


def test_several_texts_are_scored_together() -> None:
    left = without_private_text({"message": "It is great.", "text": "I hate rain."}, PRIVATE)
    together = LIBRARY.polarity_scores("I hate rain.\nIt is great.")["compound"]
    assert left == {"$text_length": 24, "$sentiment": together}


@pytest.mark.parametrize(
    ("value", "length"), [("", 0), ("  ", 2), (7, 0), (None, 0), ({"a": "I love it"}, 0)]
)
def test_what_cannot_be_scored_leaves_too(value: Any, length: int) -> None:
    assert without_private_text({"text": value, "$sentiment": 1}, PRIVATE) == {"$text_length": length}


def test_scoring_can_be_switched_off() -> None:
    assert without_private_text({"text": "I love it"}, PRIVATE, score=False) == {"$text_length": 9}


def test_the_lexicon_is_not_needed() -> None:
    """In a process of its own, where the library cannot be imported."""
    assert can_score()
    code = (
        "import sys; sys.modules['vaderSentiment'] = None\n"
        "from loopin_text.private import can_score, without_private_text\n"
        "print(can_score(), without_private_text({'text': 'I love it'}, ('text',)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False {'$text_length': 9}"
