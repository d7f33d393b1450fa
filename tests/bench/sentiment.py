"""What the sentiment of a text costs, by the library and by our scorer: ``python -m tests.bench.sentiment``.

The rated texts in a random order: the first half meets empty tables (``cold``), the second half meets
those that other texts have filled (``unseen``), and then comes once more (``again``). Microseconds a text,
medians of five rounds, the scorers taking turns; some fifteen seconds.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from loopin_text import sentiment
from loopin_text.vader import Vader

from ..text.vader.snippets import rated_snippets

Scorer = Callable[[str], object]

ROUNDS = 5


def remembering() -> Scorer:
    """``sentiment.score`` with empty tables, the lexicon read."""
    sentiment.shared_vader.cache_clear()
    sentiment._remembered_compound.cache_clear()
    sentiment.shared_vader()
    return sentiment.score


SCORERS: dict[str, Callable[[], Scorer]] = {
    "library, four values": lambda: SentimentIntensityAnalyzer().polarity_scores,
    "Vader.scores, four values": lambda: Vader().scores,
    "Vader.compound": lambda: Vader().compound,
    "sentiment.score": remembering,
}


def microseconds(score: Scorer, texts: Sequence[str]) -> float:
    """Mean time of a text."""
    started = time.perf_counter()
    for text in texts:
        score(text)
    return (time.perf_counter() - started) / len(texts) * 1e6


def one_round(score: Scorer, texts: Sequence[str]) -> tuple[float, float, float]:
    """Cold, unseen and again."""
    half = len(texts) // 2
    return (
        microseconds(score, texts[:half]),
        microseconds(score, texts[half:]),
        microseconds(score, texts[half:]),
    )


def main() -> None:
    texts = sorted(set(rated_snippets()))
    random.Random(1).shuffle(texts)
    rounds = [{name: one_round(make(), texts) for name, make in SCORERS.items()} for _ in range(ROUNDS)]
    words = statistics.mean(len(text.split()) for text in texts)
    print(f"{len(texts):,} texts of {words:.0f} words; us a text{'cold':>14}{'unseen':>9}{'again':>9}")
    for name in SCORERS:
        medians = [
            statistics.median(figures) for figures in zip(*(each[name] for each in rounds), strict=True)
        ]
        print(f"{name:<39}" + "".join(f"{figure:>9.2f}" for figure in medians))


if __name__ == "__main__":
    main()
