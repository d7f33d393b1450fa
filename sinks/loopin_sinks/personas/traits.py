"""What a cluster's members do more or less than users do on the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from loopin_sinks.personas.activity import SPENT_ON, Activity, Matrix
from loopin_sinks.personas.features import FEATURES

COUNTED: Final = {
    "hosting": "hosting",
    "attending": "attendance",
    "joining": "joining",
    "buying": "buying",
    "sharing": "sharing",
}
"""By trait the group of events whose number is meant."""

TRAITS: Final = (*SPENT_ON, *COUNTED, "presence")
"""The first six are shares of what users do, the others how often; presence is hours when they were there."""


def user_traits(of: Activity, features: Matrix) -> Matrix:
    """(users, traits), unscaled: how often is on a logarithmic scale, as a few do very much."""
    shares = [features[:, FEATURES.index(f"share_{name}")] for name in SPENT_ON]
    counts = [np.log1p(of.count(group)) for group in COUNTED.values()]
    return np.stack([*shares, *counts, np.log1p(of.hours.sum(axis=1))], axis=1)


def cluster_traits(traits: Matrix, labels: Matrix, k: int) -> list[Mapping[str, float]]:
    """For each cluster how far its mean lies from all users', in standard deviations of users.

    An empty cluster, and a trait in which nobody differs, are at 0.
    """
    spread = traits.std(axis=0)
    scaled = (traits - traits.mean(axis=0)) / np.where(spread > 1e-9, spread, np.inf)
    members = [scaled[labels == number] for number in range(k)]
    means = [rows.mean(axis=0) if len(rows) else np.zeros(len(TRAITS)) for rows in members]
    return [dict(zip(TRAITS, map(float, mean), strict=True)) for mean in means]
