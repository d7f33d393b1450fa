"""The oracle: vaderSentiment itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from loopin_text.vader import Scores, Vader

LIBRARY = SentimentIntensityAnalyzer()


class Difference(NamedTuple):
    """A text that the two score differently."""

    text: str
    library: Scores
    ours: Scores


def library_scores(text: str) -> Scores:
    """The library's four values."""
    return Scores(**LIBRARY.polarity_scores(text))


def differences(vader: Vader, texts: Iterable[str]) -> Iterator[Difference]:
    """The texts of which any value differs, were it by the sign of a zero."""
    for text in texts:
        library, ours = library_scores(text), vader.scores(text)
        if repr(library) != repr(ours) or repr(vader.compound(text)) != repr(library.compound):
            yield Difference(text, library, ours)
