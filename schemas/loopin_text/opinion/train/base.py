"""Learns the lexicon's valences and the linear model's weights from rated texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression, Ridge

from loopin_text.opinion.learned import LARGEST
from loopin_text.opinion.lexicon import GREATEST, LexiconMethod
from loopin_text.opinion.linear import LABELS, LinearMethod, Outputs, grams_of
from loopin_text.opinion.words import NEGATED, is_said, plain, speaks
from loopin_text.sentiment import Label

RARE: Final = 3
"""Texts that an n-gram must come in."""

RARE_WORD: Final = 5
"""Texts that a word of the lexicon must come in."""

GRAMS: Final = 16_000
"""N-grams that are kept, the heaviest of some 37,000: a file of 300 KB."""

STEP: Final = 1 / 12
"""Weights are kept as whole multiples of this, at most 127 of them."""

_VALENCE: Final = 2.5
"""How many of the lexicon's steps one step of the ratings is: of 10 whole valences most are used."""


def fit_lexicon(words: Sequence[Sequence[str]], ratings: Sequence[float]) -> LexiconMethod:
    """Whole-number valences of which the sums are nearest to the ratings (ridge regression, then rounded)."""
    seen = Counter(word for text in words for word in {plain(word) for word in text if is_said(word)})
    known = {word: at for at, word in enumerate(sorted(w for w, count in seen.items() if count >= RARE_WORD))}
    signs = (
        [
            (known[plain(word)], -1.0 if word.startswith(NEGATED) else 1.0)
            for word in text
            if plain(word) in known
        ]
        for text in words
    )
    counts = _matrix(signs, len(known))
    ridge = Ridge(alpha=6.0, solver="lsqr", fit_intercept=False).fit(counts, ratings)
    whole = np.clip(np.rint(ridge.coef_ * _VALENCE), -GREATEST, GREATEST).astype(int)
    return LexiconMethod({word: int(whole[at]) for word, at in known.items() if whole[at]})


def fit_linear(
    words: Sequence[Sequence[str]], ratings: Sequence[float], labels: Sequence[Label]
) -> LinearMethod:
    """Weights of the n-grams that tell the labels best; the labels weigh the same, however rare."""
    grams = [grams_of(text) for text in words]
    # A mark alone is no opinion, however people who are glad write.
    seen = Counter(gram for text in grams for gram in text if speaks(gram.split()))
    names = sorted(gram for gram, count in seen.items() if count >= RARE)
    # Which n-grams matter at all, a regression of the ratings says in a tenth of the time.
    heavy = np.abs(_rating(_shares(grams, names), ratings).coef_)
    names = [names[at] for at in sorted(np.argsort(-heavy, kind="stable")[:GRAMS])]
    shares = _shares(grams, names)
    logistic = LogisticRegression(C=5.0, class_weight="balanced", max_iter=400, tol=5e-4)
    logistic.fit(shares, [LABELS.index(label) for label in labels])
    rating = _rating(shares, ratings)
    # Logits count against neutral's: two of the three say all.
    weights = [*(logistic.coef_[[0, 2]] - logistic.coef_[1]), rating.coef_]
    steps = np.clip(np.rint(np.array(weights) / STEP), -LARGEST, LARGEST)
    below, between, above = logistic.intercept_.tolist()
    intercepts = Outputs(
        *(round(each, 4) for each in (below - between, above - between, float(rating.intercept_)))
    )
    rounded = (steps * STEP).T.tolist()
    return LinearMethod(intercepts, {name: Outputs(*rounded[at]) for at, name in enumerate(names)})


def _rating(shares: Any, ratings: Sequence[float]) -> Any:
    return Ridge(alpha=1.0, solver="lsqr").fit(shares, ratings)


def _shares(grams: Sequence[Sequence[str]], names: Sequence[str]) -> Any:
    """A row for each text, in which the known n-grams weigh the same and have the length 1 together."""
    known = {name: at for at, name in enumerate(names)}
    rows = [[known[gram] for gram in text if gram in known] for text in grams]
    return _matrix(([(at, len(row) ** -0.5) for at in row] for row in rows), len(names))


def _matrix(rows: Iterable[Iterable[tuple[int, float]]], width: int) -> Any:
    columns: list[int] = []
    values: list[float] = []
    ends = [0]
    for row in rows:
        for column, value in row:
            columns.append(column)
            values.append(value)
        ends.append(len(columns))
    matrix = csr_matrix((values, columns, ends), shape=(len(ends) - 1, width))
    matrix.sum_duplicates()
    return matrix
