"""What clusters are called: as the documents' four personas where they fit, else after their own traits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from loopin_sinks.personas.traits import Kind

Traits = Mapping[str, float]

PERSONAS: Final[Mapping[str, Traits]] = {
    "social_explorer": {"social": 1, "sharing": 1},
    "event_regular": {"attending": 2, "joining": 1, "events": 1},
    "passive_observer": {"content": 1, "joining": -1, "attending": -1},
    "power_user": {"hosting": 1, "presence": 1},
}
"""Document 003's personas: loves meeting people and shares; attends frequently; browses, but rarely attends;
heavy usage, creates events. Which traits speak for one, and how much."""

SHOWN_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "social_explorer": ("social", "sharing"),
    "event_regular": ("attending", "joining"),
    "passive_observer": ("content",),
    "power_user": ("hosting",),
}
"""By persona the traits of which a cluster must have one to be called so, whatever else speaks for it."""

DONE: Final = 0.5
"""A cluster has a trait if more than all users do so, and more than this share of its members ever did."""

STILL_DONE: Final = 0.25
"""A name that a cluster has by now stays as long as so many of its members ever did what it says: one that
half of them do would else change with every run."""

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


def named(clusters: Sequence[Kind], taken: Mapping[int, str]) -> list[str]:
    """A name for each cluster, no two alike; those in ``taken``, by their number, keep theirs.

    Nobody is named after what they do not do, nor keeps such a name.
    """
    names = {number: name for number, name in taken.items() if _still(name, clusters[number])}
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


def _still(name: str, of: Kind) -> bool:
    """Whether a name of before still says what enough of a cluster's members do."""
    if name in SHOWN_BY:
        return any(of.doing[trait] >= STILL_DONE for trait in SHOWN_BY[name])
    said = [trait for trait, word in AFTER_TRAITS.items() if f"_{word}_" in f"_{name}_"]
    return all(of.doing[trait] >= STILL_DONE for trait in said)


def _has(of: Kind, trait: str) -> bool:
    return of.traits[trait] > 0 and of.doing[trait] > DONE


def _best(clusters: Sequence[Kind], personas: Sequence[str]) -> list[tuple[int, str]]:
    """Pairs of a cluster and a persona that fit best in sum."""
    from scipy.optimize import linear_sum_assignment

    if not clusters or not personas:
        return []
    fits = [
        [
            fit_of(of.traits, one) if any(_has(of, trait) for trait in SHOWN_BY[one]) else 0.0
            for one in personas
        ]
        for of in clusters
    ]
    pairs = zip(*linear_sum_assignment(fits, maximize=True), strict=True)
    return [(int(row), personas[column]) for row, column in pairs if fits[row][column] >= LEAST_FIT]


def _after_traits(of: Kind, taken: Collection[str]) -> str:
    traits = of.traits
    own = (name for name in AFTER_TRAITS if traits[name] >= STRONG and _has(of, name))
    strong = sorted(own, key=lambda name: -traits[name])
    words = [AFTER_TRAITS[name] for name in strong]
    words = words or [OCCASIONAL if traits["presence"] <= -STRONG else TYPICAL]
    names = ["_".join(words[:number]) for number in range(1, len(words) + 1)]
    numbered = [f"{words[0]}_{number}" for number in range(2, 100)]
    return next(name for name in (*names, *numbered) if name not in taken)
