"""What a cluster's members do more or less than users do on the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from loopin_sinks.personas.activity import SPENT_ON, Activity, Matrix
from loopin_sinks.personas.features import ACTIONS_BEFORE
from loopin_sinks.personas.fit import LEAST_SPREAD

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


class Kind(NamedTuple):
    """What a cluster's members are like, by trait.

    Attributes:
        traits: how far their mean lies from all users', in standard deviations of users.
        doing: how many of them did it at least once, 0 to 1.
    """

    traits: Mapping[str, float]
    doing: Mapping[str, float]


def user_traits(of: Activity) -> Matrix:
    """(users, traits), unscaled: 0 of what a user never did.

    Shares are square roots, and smaller for whom little is known; how often is on a logarithmic scale, as a
    few do very much.
    """
    spent = np.stack([of.count(group) for group in SPENT_ON], axis=1)
    shares = np.sqrt(spent / (spent.sum(axis=1, keepdims=True) + ACTIONS_BEFORE))
    counts = [np.log1p(of.count(group)) for group in COUNTED.values()]
    return np.column_stack([shares, *counts, np.log1p(of.hours.sum(axis=1))])


def kinds(traits: Matrix, labels: Matrix, k: int) -> list[Kind]:
    """What each cluster's members are like; an empty one is at 0."""
    scaled = (traits - traits.mean(axis=0)) / traits.std(axis=0).clip(min=LEAST_SPREAD)

    def mean(of: Matrix) -> Mapping[str, float]:
        return dict(zip(TRAITS, map(float, of.sum(axis=0) / max(len(of), 1)), strict=True))

    members = [labels == number for number in range(k)]
    return [Kind(mean(scaled[rows]), mean(traits[rows] > 0)) for rows in members]
