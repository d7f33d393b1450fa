"""What speaks for losing a user: named rules, each with its threshold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loopin_schemas.profile import HIGH_RISK

LEAST_FELT: Final = 3.0
"""Fewer words and ratings that are felt either way tell no mood; they weigh half after 25 days."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known of a user; None where nothing is.

    Attributes:
        inactive_days: since the last event.
        engagement_score: 0 to 1.
        engagement_change: present pace by the usual one, see ``engagement_change``.
        payment_failures: payments that failed since the last one that succeeded.
        friendly, unfriendly: words and ratings of either kind, counts that fade by half in 25 days.
        communities_left: a count that fades by half in 28 days.
        churn_risk: probability to leave, 0 to 1.
    """

    inactive_days: float | None = None
    engagement_score: float | None = None
    engagement_change: float | None = None
    payment_failures: int | None = None
    friendly: float = 0.0
    unfriendly: float = 0.0
    communities_left: float | None = None
    churn_risk: float | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that speaks for losing a user.

    Attributes:
        name: stable, for programs.
        meaning: of the value, with its unit.
        threshold: from which on it holds or, with ``below``, down to which.
        value: what is compared; None where it is not known.
        text: a sentence for people, with ``{value}`` and ``{threshold}``.
    """

    name: str
    meaning: str
    threshold: float
    value: Callable[[Signals], float | None]
    text: str
    below: bool = False


@dataclass(frozen=True, slots=True)
class RiskFactor:
    """A rule that holds of a user."""

    name: str
    value: float
    threshold: float
    text: str


def _unfriendly_share(of: Signals) -> float | None:
    felt = of.friendly + of.unfriendly
    return of.unfriendly / felt if felt >= LEAST_FELT else None


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "high_churn_probability",
        "probability to leave, 0 to 1",
        # Document 000: high churn probability.
        HIGH_RISK,
        lambda of: of.churn_risk,
        "The probability to leave is {value:.2f}, from {threshold:g} on it is high.",
    ),
    Rule(
        "inactive_days",
        "days since the last event",
        # A holiday is mostly shorter; the target churn looks from the 15th day on, too.
        14,
        lambda of: of.inactive_days,
        "There was no event for {value:.0f} days; {threshold:g} are a risk.",
    ),
    Rule(
        "engagement_falling",
        "present pace by the usual one, ratio",
        0.6,
        lambda of: of.engagement_change,
        "The user comes and does {value:.2f} times what is usual for them; {threshold:g} or less is a risk.",
        below=True,
    ),
    Rule(
        "low_engagement",
        "engagement score, 0 to 1",
        0.05,
        lambda of: of.engagement_score,
        "The engagement score is {value:.3f}; {threshold:g} or less is a risk.",
        below=True,
    ),
    Rule(
        "payment_failures",
        "failed payments in a row, count",
        2,
        lambda of: of.payment_failures,
        "The last {value:.0f} payments failed; {threshold:g} in a row are a risk.",
    ),
    Rule(
        "negative_sentiment",
        "share of unfriendly words and ratings, 0 to 1",
        # Two unfriendly ones for each friendly one; half of them are in many a quarrel among friends.
        0.66,
        _unfriendly_share,
        "Of what the user says {value:.0%} is unfriendly; from {threshold:.0%} on it is a risk.",
    ),
    Rule(
        "left_communities",
        "communities left lately, a count that fades by half in 28 days",
        2,
        lambda of: of.communities_left,
        "The user has left {value:g} communities lately; {threshold:g} are a risk.",
    ),
)
"""All rules, the gravest first."""


def risk_factors(of: Signals) -> list[RiskFactor]:
    """The rules that hold."""
    found = []
    for rule in RULES:
        value = rule.value(of)
        if value is not None and (value <= rule.threshold if rule.below else value >= rule.threshold):
            text = rule.text.format(value=value, threshold=rule.threshold)
            found.append(RiskFactor(rule.name, float(value), rule.threshold, text))
    return found
