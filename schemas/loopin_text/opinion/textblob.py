"""TextBlob's polarity: the lexicon of the library pattern, averaged over a text's words."""

from __future__ import annotations

from functools import cache
from typing import Any

from loopin_text.opinion.method import Scored
from loopin_text.sentiment import label, scored_part


@cache
def _analyzer() -> Any | None:
    """TextBlob's default analyzer, which needs no corpora; None where the extra ``models`` is missing."""
    try:
        from textblob.en.sentiments import PatternAnalyzer
    except ImportError:
        return None
    return PatternAnalyzer()


class TextBlobMethod:
    """Polarity and subjectivity by the library TextBlob; off where it is not installed."""

    name = "textblob"

    def score(self, text: str) -> Scored | None:
        """Its polarity, and beside it the subjectivity, 0 (fact) to 1 (opinion)."""
        analyzer = _analyzer()
        if analyzer is None:
            return None
        polarity, subjectivity = map(float, analyzer.analyze(scored_part(text)))
        return Scored(polarity, label(polarity), (polarity, subjectivity))
