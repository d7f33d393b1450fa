"""k-means over users, as many clusters as are told apart best."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loopin_sinks.personas.activity import Matrix
from loopin_sinks.store.errors import StoreError

KS: Final = range(3, 9)
"""Numbers of clusters that are tried."""

NEAR: Final = 0.01
"""The number of the former run stays as long as no other's silhouette is better by more than this."""

LEAST_USERS: Final = 50
"""Fewer are not clustered."""

SILHOUETTES_OF: Final = 2_000
"""Users, drawn by a seed, whose silhouettes are averaged: each is compared with all the others."""

FITTED_ON: Final = 50_000
"""Users, drawn by a seed, whom centroids are fitted on; the others are assigned to these."""

TAIL: Final = 0.005
"""Of the users at either end of a feature: they count as if they were where it begins. The only host of a
project, say, is not a world of their own."""

LEAST_SHARE: Final = 0.01
"""Of the users in each cluster: fewer are no kind of users, but odd ones."""

LEAST_SPREAD: Final = 0.05
"""Users count as differing at least so much in each feature. Of what hardly anybody does, how much of the
average stands for each user (see ``features``) is the only difference, up to 0.04; what kinds of users differ
in has 0.08 and more."""

STARTS: Final = 5
SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Scale:
    """Features as multiples of how much users differ in them; one in which hardly any do counts little."""

    mean: Matrix
    spread: Matrix
    low: Matrix
    high: Matrix

    def apply(self, features: Matrix) -> Matrix:
        """Cut to what is usual, centred and scaled."""
        return np.asarray((features.clip(self.low, self.high) - self.mean) / self.spread)

    def undo(self, scaled: Matrix) -> Matrix:
        """Back in their own units."""
        return np.asarray(scaled * self.spread + self.mean)


@dataclass(frozen=True, slots=True)
class Fit:
    """Clusters of users.

    Attributes:
        silhouettes: mean silhouette by number of clusters, -1 to 1.
        scale: what distances are measured in.
        centroids: (k, features), scaled.
    """

    silhouettes: Mapping[int, float]
    scale: Scale
    centroids: Matrix

    @property
    def k(self) -> int:
        """Number of clusters."""
        return len(self.centroids)

    def distances(self, features: Matrix) -> Matrix:
        """From each user to each centroid, (users, k)."""
        return distances(self.scale.apply(features), self.centroids)


def distances(points: Matrix, centroids: Matrix) -> Matrix:
    """Euclidean, (points, centroids)."""
    return np.stack([np.linalg.norm(points - centroid, axis=1) for centroid in centroids], axis=1)


def scale_of(features: Matrix) -> Scale:
    """Of these users."""
    low, high = np.quantile(features, (TAIL, 1 - TAIL), axis=0)
    usual = features.clip(low, high)
    return Scale(usual.mean(axis=0), usual.std(axis=0).clip(min=LEAST_SPREAD), low, high)


def fit(features: Matrix, former: Sequence[Matrix] = ()) -> Fit | None:
    """Clusters; None where there are too few users, or too few who differ.

    Args:
        features: (users, features).
        former: the former run's centroids in the features' own units, to begin at and whose number to keep
            where that is about as good; empty for none.
    """
    if len(features) < LEAST_USERS:
        return None
    features = drawn(features, FITTED_ON)
    scale = scale_of(features)
    points = scale.apply(features)
    most = len(np.unique(points.round(9), axis=0)) - 1
    ks = [k for k in KS if k <= most]
    if not ks:
        return None
    known = scale.apply(np.array(former)) if len(former) else None
    found = {k: _clustered(points, k, known if known is not None and len(known) == k else None) for k in ks}
    silhouettes = {k: _silhouette(points, centroids) for k, centroids in found.items()}
    shared = [k for k in ks if _least_share(points, found[k]) >= LEAST_SHARE] or ks[:1]
    best = max(shared, key=lambda k: silhouettes[k])
    if len(former) in shared and silhouettes[len(former)] >= silhouettes[best] - NEAR:
        best = len(former)
    return Fit(silhouettes, scale, found[best])


def drawn(rows: Matrix, most: int) -> Matrix:
    """At most so many of the rows."""
    if len(rows) <= most:
        return rows
    return rows[np.random.default_rng(SEED).choice(len(rows), most, replace=False)]


def _clustered(points: Matrix, k: int, former: Matrix | None) -> Matrix:
    """Centroids of the best of some runs, of which one begins at the former ones."""
    with _one_thread():
        runs = [_means(points, k, "k-means++", STARTS)]
        if former is not None:
            runs.append(_means(points, k, former, 1))
    return min(runs, key=lambda run: run[1])[0]


def _means(points: Matrix, k: int, init: str | Matrix, starts: int) -> tuple[Matrix, float]:
    # Imported where it is used: it takes 100 MB, and processes that fit nothing may do without.
    from sklearn.cluster import KMeans

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fewer distinct points than clusters, which is known here
        found = KMeans(k, init=init, n_init=starts, random_state=SEED).fit(points)
    return np.asarray(found.cluster_centers_), float(found.inertia_)


def _silhouette(points: Matrix, centroids: Matrix) -> float:
    from sklearn.metrics import silhouette_score

    sample = drawn(points, SILHOUETTES_OF)
    labels: NDArray[np.int64] = distances(sample, centroids).argmin(axis=1)
    if not 2 <= len(np.unique(labels)) < len(sample):
        return -1.0
    with _one_thread():
        return float(silhouette_score(sample, labels))


def _least_share(points: Matrix, centroids: Matrix) -> float:
    """Of the users in the smallest cluster."""
    sizes = np.bincount(distances(points, centroids).argmin(axis=1), minlength=len(centroids))
    return float(sizes.min() / len(points))


def _one_thread() -> AbstractContextManager[object]:
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits


def check_installed() -> None:
    """Raise StoreError where what fits models is not there."""
    try:
        import sklearn.cluster  # noqa: F401  # only whether it is there
    except ImportError as error:
        reason = "Personas need scikit-learn: install loopin-analytics[models] where tasks run."
        raise StoreError("models_missing", reason) from error
