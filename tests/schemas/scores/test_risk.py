"""Risk factors: each rule at its threshold and just before it."""

from __future__ import annotations

import pytest

from loopin_schemas.scores.risk import RULES, RiskFactor, Signals, risk_factors

CASES = {
    "high_churn_probability": (Signals(churn_risk=0.7), Signals(churn_risk=0.6999)),
    "inactive_days": (Signals(inactive_days=14.0), Signals(inactive_days=13.9)),
    "engagement_falling": (Signals(engagement_change=0.6), Signals(engagement_change=0.61)),
    "low_engagement": (Signals(engagement_score=0.05), Signals(engagement_score=0.051)),
    "payment_failures": (Signals(payment_failures=2), Signals(payment_failures=1)),
    "negative_sentiment": (Signals(friendly=1.0, unfriendly=2.0), Signals(friendly=1.1, unfriendly=2.0)),
    "left_communities": (Signals(communities_left=2.0), Signals(communities_left=1.9)),
}
"""What makes a rule hold, and what does not quite."""


def test_every_rule_is_tried() -> None:
    assert [rule.name for rule in RULES] == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_rule_holds_from_its_threshold_on(name: str) -> None:
    holds, not_quite = CASES[name]
    assert [factor.name for factor in risk_factors(holds)] == [name]
    assert risk_factors(not_quite) == []


def test_of_whom_nothing_is_known_nothing_is_said() -> None:
    assert risk_factors(Signals()) == []
    # Two unfriendly words are no mood.
    assert risk_factors(Signals(unfriendly=2.9)) == []


def test_the_gravest_comes_first_with_its_numbers_in_words() -> None:
    found = risk_factors(Signals(inactive_days=20.2, churn_risk=0.912, payment_failures=3))
    assert found == [
        RiskFactor(
            "high_churn_probability",
            0.912,
            0.7,
            "The probability to leave is 0.91, from 0.7 on it is high.",
        ),
        RiskFactor("inactive_days", 20.2, 14, "There was no event for 20 days; 14 are a risk."),
        RiskFactor("payment_failures", 3, 2, "The last 3 payments failed; 2 in a row are a risk."),
    ]
    texts = [factor.text for holds, _ in CASES.values() for factor in risk_factors(holds)]
    assert all("{" not in text and text.endswith(".") for text in texts)
