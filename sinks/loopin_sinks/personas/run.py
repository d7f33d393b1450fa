"""One run over a project's users: clusters, their names, and who belongs to which."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loopin_sinks.personas.activity import Activity, Matrix
from loopin_sinks.personas.features import FEATURES, features
from loopin_sinks.personas.fit import Fit, fit
from loopin_sinks.personas.matching import matched
from loopin_sinks.personas.naming import named
from loopin_sinks.personas.traits import kinds, user_traits

LEAST_EVENTS: Final = 50
"""Users with fewer events do not shape the clusters: what they do is mostly chance."""

LEAST_ASSIGNED: Final = 20
"""Users with fewer events have no persona."""

NEARER: Final = 0.9
"""Who has a persona changes it only for one that is nearer than so much of the distance to the present one:
whoever stands between two would else change with every run."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One kind of users.

    Attributes:
        persona: its name.
        size: users who were assigned to it.
        centroid: its middle, in the units of ``FEATURES``.
        traits: what its members do more or less than all, in standard deviations of users.
    """

    persona: str
    size: int
    centroid: tuple[float, ...]
    traits: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """What came of it; ``version`` names the model: the same data and former run give the same one.

    Attributes:
        silhouettes: mean silhouette by number of clusters tried, -1 to 1.
        fitted_on: users who shaped the clusters.
        users: who has a persona.
        personas: the cluster of each, as a number of ``clusters``.
        distances: of each from its centroid, in standard deviations over all features together.
        others: of each from the nearest other centroid.
    """

    version: str
    silhouettes: Mapping[int, float]
    clusters: tuple[Cluster, ...]
    fitted_on: int
    users: tuple[str, ...]
    personas: NDArray[np.int64]
    distances: Matrix
    others: Matrix


def personas_of(
    activity: Activity, former: Sequence[Cluster] = (), present: Mapping[str, str] | None = None
) -> Run | None:
    """Find personas; None where there are too few users to tell kinds of.

    Args:
        activity: what users have done.
        former: the clusters of the run before.
        present: the persona that users have by now.
    """
    found = features(activity)
    shaping = activity.events >= LEAST_EVENTS
    known = [np.array(each.centroid) for each in former if len(each.centroid) == len(FEATURES)]
    fitted = fit(found[shaping], known)
    if fitted is None:
        return None
    labels = fitted.distances(found[shaping]).argmin(axis=1)
    of_clusters = kinds(user_traits(activity)[shaping], labels, fitted.k)
    scaled = fitted.scale.apply(np.array(known)) if known else np.empty((0, len(FEATURES)))
    kept = enumerate(matched(fitted.centroids, scaled))
    names = named(of_clusters, {new: former[old].persona for new, old in kept if old is not None})
    counted = activity.events >= LEAST_ASSIGNED
    users = tuple(user for user, counts in zip(activity.users, counted, strict=True) if counts)
    away = fitted.distances(found[counted])
    assigned = assign(away, [names.index(p) if (p := (present or {}).get(u)) in names else -1 for u in users])
    rows = np.arange(len(users))
    others = away.copy()
    others[rows, assigned] = np.inf
    middle = fitted.scale.undo(fitted.centroids)
    clusters = tuple(
        Cluster(name, int((assigned == number).sum()), tuple(map(float, middle[number])), kind.traits)
        for number, (name, kind) in enumerate(zip(names, of_clusters, strict=True))
    )
    return Run(
        version=_version(fitted, names),
        silhouettes=fitted.silhouettes,
        clusters=clusters,
        fitted_on=int(shaping.sum()),
        users=users,
        personas=assigned,
        distances=away[rows, assigned],
        others=others.min(axis=1) if len(users) else np.empty(0),
    )


def assign(away: Matrix, present: Sequence[int]) -> NDArray[np.int64]:
    """The cluster of each user: the nearest, or the present one (-1 for none) where that is about as near."""
    nearest = away.argmin(axis=1)
    rows, now = np.arange(len(away)), np.array(present, dtype=np.int64)
    stays = (now >= 0) & (away[rows, nearest] > NEARER * away[rows, now])
    return np.where(stays, now, nearest)


def _version(fitted: Fit, names: Sequence[str]) -> str:
    parts = [fitted.scale.mean, fitted.scale.spread, fitted.centroids]
    digest = hashlib.sha256(" ".join((*FEATURES, *names)).encode())
    for part in parts:
        digest.update(np.ascontiguousarray(part.round(9)).tobytes())
    return digest.hexdigest()[:16]
