"""As many clusters as there are, whatever the order of users, and nothing where there is nothing to tell."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from loopin_sinks.personas.activity import Matrix
from loopin_sinks.personas.fit import FITTED_ON, LEAST_USERS, drawn, fit


def blobs(k: int, each: int = 80, apart: float = 8.0, seed: int = 3) -> Matrix:
    dice = np.random.default_rng(seed)
    middles = dice.permutation(np.eye(7)[:k]) * apart
    return np.vstack([middle + dice.normal(size=(each, 7)) for middle in middles])


@pytest.mark.parametrize("k", [3, 5, 7])
def test_the_number_of_clusters_is_that_of_the_best_silhouette(k: int) -> None:
    points = blobs(k)
    found = fit(points)
    assert found is not None
    assert found.k == k
    usual = points.clip(*np.percentile(points, (0.5, 99.5), axis=0))
    scaled = (usual - usual.mean(axis=0)) / usual.std(axis=0)
    labels = KMeans(k, n_init=10, random_state=9).fit(scaled).labels_
    assert found.silhouettes[k] == pytest.approx(silhouette_score(scaled, labels), abs=1e-6)
    assert max(found.silhouettes, key=lambda tried: found.silhouettes[tried]) == k


def test_each_user_is_nearest_to_the_mean_of_their_own_cluster() -> None:
    points = blobs(4)
    found = fit(points)
    assert found is not None
    labels = found.distances(points).argmin(axis=1)
    for number in range(found.k):
        mean = points[labels == number].mean(axis=0)
        # But for the cut ends.
        assert found.scale.undo(found.centroids)[number] == pytest.approx(mean, abs=0.05)


def test_the_number_of_before_is_kept_while_another_is_hardly_better() -> None:
    # Hardly told apart: five and six are alike.
    points = np.random.default_rng(5).normal(size=(400, 7))
    free = fit(points)
    assert free is not None
    ranked = sorted(free.silhouettes, key=lambda k: -free.silhouettes[k])
    assert free.silhouettes[ranked[0]] - free.silhouettes[ranked[1]] < 0.01
    second = fit(points, list(np.random.default_rng(6).normal(size=(ranked[1], 7))))
    assert second is not None
    assert second.k == ranked[1]

    clear = fit(blobs(3), list(blobs(7)[::80]))
    assert clear is not None
    assert clear.k == 3


def test_too_few_users_and_such_who_are_all_alike_are_not_clustered() -> None:
    assert fit(np.zeros((0, 7))) is None
    assert fit(np.ones((1, 7))) is None
    assert fit(blobs(3, each=LEAST_USERS // 3)) is None
    assert fit(np.ones((500, 7))) is None
    # Three kinds without any difference within: two clusters would be left to try.
    assert fit(np.repeat(np.eye(7)[:3], 100, axis=0)) is None


def test_a_feature_in_which_nobody_differs_counts_nothing() -> None:
    points = blobs(3)
    points[:, 6] = 1e9
    found = fit(points)
    assert found is not None
    assert found.k == 3
    assert np.isfinite(found.distances(points)).all()


def test_a_handful_of_odd_users_is_no_cluster() -> None:
    points = blobs(4, each=200)
    odd = fit(np.vstack([points, points[:3] + 60]))
    assert odd is not None
    assert odd.k == 4
    sizes = np.bincount(odd.distances(points).argmin(axis=1), minlength=4)
    assert sizes.min() > 100


def test_of_very_many_users_the_same_ones_are_drawn_each_time() -> None:
    rows = np.arange(FITTED_ON + 1.0)[:, None]
    once = drawn(rows, FITTED_ON)
    assert len(np.unique(once)) == FITTED_ON
    assert np.array_equal(once, drawn(rows, FITTED_ON))
