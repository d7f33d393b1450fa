"""Items that the same users take: collaborative filtering from item to item."""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np

from loopin_sinks.recommendations.platform_events import Floats, Ints

KEPT: Final = 20
"""Neighbours of an item that count."""


def neighbours(taken: Any) -> tuple[Ints, Ints, Floats]:
    """How much taking one item speaks for another: items, their neighbours, and weights of 0 to 1.

    By users who took both, weighted by BM25, so that neither what everybody takes nor who takes everything
    counts much (the library implicit).

    Args:
        taken: how often each user took each item, (users, items), sparse.
    """
    # Imported where they are used: processes that fit nothing may do without.
    from implicit.nearest_neighbours import BM25Recommender

    nothing = np.zeros(0, dtype=np.int64)
    if not taken.nnz:
        return nothing, nothing, np.zeros(0)
    # Items that nobody took yet would count in the weights.
    items = np.unique(taken.indices).astype(np.int64)
    taken = taken[:, items]
    model = BM25Recommender(K=KEPT + 1, num_threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the form in which it hands matrices to itself
        model.fit(taken, show_progress=False)
    similarity: Any = model.similarity.tocoo()
    others = (similarity.row != similarity.col) & (similarity.data > 0)
    weights = np.asarray(similarity.data[others], dtype=np.float64)
    rows = np.asarray(similarity.row[others], dtype=np.int64)
    columns = np.asarray(similarity.col[others], dtype=np.int64)
    return items[rows], items[columns], weights / weights.max() if len(weights) else weights


def near(taken: Any) -> Any:
    """How much all that each user took speaks for each item, (users, items), sparse as what is given."""
    from scipy.sparse import coo_matrix

    rows, columns, weights = neighbours(taken)
    items = taken.shape[1]
    return (taken > 0).astype(np.float64) @ coo_matrix((weights, (rows, columns)), (items, items)).tocsr()
