"""Which cluster of a run is which of the run before."""

from __future__ import annotations

import numpy as np

from loopin_sinks.personas.activity import Matrix
from loopin_sinks.personas.fit import distances


def matched(centroids: Matrix, former: Matrix) -> list[int | None]:
    """For each centroid the former one that it is; None for one that was not there.

    Pairs have the least distance in sum (the assignment problem). A pair that lies farther apart than half of
    what lay between the former one and its nearest neighbour is none: it could as well be that neighbour.

    Args:
        centroids: (k, features), scaled.
        former: those of the former run in the same scale, (former k, features).
    """
    from scipy.optimize import linear_sum_assignment

    found: list[int | None] = [None] * len(centroids)
    if not len(former):
        return found
    between = distances(former, former)
    np.fill_diagonal(between, np.inf)
    apart = distances(centroids, former)
    for new, old in zip(*linear_sum_assignment(apart), strict=True):
        if apart[new, old] <= between[old].min() / 2:
            found[int(new)] = int(old)
    return found
