"""What clusters are called: as the documents' four personas where they fit, else after their own traits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

Traits = Mapping[str, float]

PERSONAS: Final[Mapping[str, Traits]] = {
    "social_explorer": {"social": 1, "sharing": 1},
    "event_regular": {"attending": 2, "joining": 1, "events": 1},
    "passive_observer": {"content": 1, "joining": -1, "attending": -1},
    "power_user": {"hosting": 1, "presence": 1},
}
"""Document 003's personas: loves meeting people and shares; attends frequently; browses, but rarely attends;
heavy usage, creates events. Which traits speak for one, and how much."""

LEAST_FIT: Final = 0.15
"""A persona whose traits are not at least so far above all users' is not given, in standard deviations."""

AFTER_TRAITS: Final[Mapping[str, str]] = {
    "events": "event_browser",
    "content": "reader",
    "search": "searcher",
    "social": "socialiser",
    "communities": "community_member",
    "recommendations": "recommendation_follower",
    "hosting": "host",
    "attending": "attendee",
    "joining": "joiner",
    "buying": "buyer",
    "sharing": "sharer",
    "presence": "frequent_visitor",
}
"""What a cluster is called whose strongest trait this is."""

STRONG: Final = 0.3
"""From so far above all users' on a trait counts as one of a cluster's own, in standard deviations."""

TYPICAL: Final = "typical_user"
OCCASIONAL: Final = "occasional_visitor"
"""Names of those without a strong trait: there as often as others, or less."""


def named(clusters: Sequence[Traits], taken: Mapping[int, str]) -> list[str]:
    """A name for each cluster, no two alike; those in ``taken``, by their number, keep theirs."""
    names = dict(taken)
    free = [number for number in range(len(clusters)) if number not in names]
    left = [persona for persona in PERSONAS if persona not in names.values()]
    for number, persona in _best([clusters[number] for number in free], left):
        names[free[number]] = persona
    for number in free:
        if number not in names:
            names[number] = _after_traits(clusters[number], names.values())
    return [names[number] for number in range(len(clusters))]


def label(name: str) -> str:
    """The name as people write it."""
    return name.replace("_", " ").title()


def fit_of(traits: Traits, persona: str) -> float:
    """How far a cluster's traits speak for a persona, in standard deviations."""
    weights = PERSONAS[persona]
    return sum(weight * traits[name] for name, weight in weights.items()) / sum(map(abs, weights.values()))


def _best(clusters: Sequence[Traits], personas: Sequence[str]) -> list[tuple[int, str]]:
    """Pairs of a cluster and a persona that fit best in sum."""
    from scipy.optimize import linear_sum_assignment

    if not clusters or not personas:
        return []
    fits = [[fit_of(traits, persona) for persona in personas] for traits in clusters]
    pairs = zip(*linear_sum_assignment(fits, maximize=True), strict=True)
    return [(int(row), personas[column]) for row, column in pairs if fits[row][column] >= LEAST_FIT]


def _after_traits(traits: Traits, taken: Collection[str]) -> str:
    strong = sorted((name for name in AFTER_TRAITS if traits[name] >= STRONG), key=lambda name: -traits[name])
    words = [AFTER_TRAITS[name] for name in strong]
    words = words or [OCCASIONAL if traits["presence"] <= -STRONG else TYPICAL]
    names = ["_".join(words[:number]) for number in range(1, len(words) + 1)]
    numbered = [f"{words[0]}_{number}" for number in range(2, 100)]
    return next(name for name in (*names, *numbered) if name not in taken)
