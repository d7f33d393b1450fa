"""Users of known kinds, drawn by a generator of this test's own."""

from __future__ import annotations

from typing import Final

import numpy as np

from loopin_sinks.personas.activity import GROUPS, SPENT_ON, Activity, activity_of

KINDS: Final = {
    "talkers": ((10, 10, 2, 60, 15, 3), 21),
    "readers": ((8, 70, 10, 2, 5, 5), 8),
    "goers": ((70, 8, 5, 8, 6, 3), 19),
}
"""By kind: how a hundred actions are spread over ``SPENT_ON``, and the hour when they are mostly there."""


def planted(each: int = 60, seed: int = 1, actions: int = 120) -> tuple[Activity, list[str]]:
    """So many users of each kind, shuffled, and the kind of each."""
    dice = np.random.default_rng(seed)
    rows = []
    for kind, (spent, hour) in KINDS.items():
        for number in range(each):
            counts = dict.fromkeys(GROUPS, 0)
            drawn = dice.multinomial(actions, np.array(spent) / sum(spent))
            counts |= dict(zip(SPENT_ON, map(int, drawn), strict=True))
            counts["joining"] = counts["attendance"] = counts["events"] // 3
            there = np.bincount(np.round(dice.normal(hour, 2, 40)).astype(int) % 24, minlength=24)
            rows.append((f"{kind}-{number}", actions, list(counts.values()), there, "IN/Pune", kind))
    order = dice.permutation(len(rows))
    return activity_of([rows[at][:5] for at in order]), [str(rows[at][5]) for at in order]


def permuted(activity: Activity, seed: int) -> Activity:
    """The same users in another order."""
    order = np.random.default_rng(seed).permutation(len(activity))
    return Activity(
        users=tuple(activity.users[at] for at in order),
        events=activity.events[order],
        counts=activity.counts[order],
        hours=activity.hours[order],
        places=tuple(activity.places[at] for at in order),
    )
