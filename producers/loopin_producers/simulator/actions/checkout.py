"""The checkout: the experiment's page, the decision to buy, and payments that may fail."""

from __future__ import annotations

from typing import Any

from loopin_producers.simulator.organisers import PlatformEvent
from loopin_producers.simulator.parameters import DAY_MS
from loopin_producers.simulator.visit import Visit

EXPERIMENT = "checkout_button"
VARIANTS = ("control", "treatment")
EFFECT = 1.30
"""What the treatment multiplies the probability to buy by."""

FAILS = 0.06
FAILS_IN_ANOMALY = 0.45
ATTEMPTS = 3
_TRIES_AGAIN = 0.7
_DISPUTES = 0.003
_DROPPED_REVENUE = 0.2
_REASONS = ("card_declined", "insufficient_funds", "timeout", "authentication_failed", "provider_error")
_METHODS = ("card", "card", "upi", "upi", "wallet", "netbanking")


def buys(visit: Visit, event: PlatformEvent) -> bool:
    """Go to the checkout; True when the ticket is paid."""
    variant = VARIANTS[visit.user.treated]
    visit.page("/checkout")
    if visit.dice.happens(0.5):
        flag = {"$feature_flag": EXPERIMENT, "$feature_flag_response": variant}
        visit.event("$feature_flag_called", flag)
    visit.event("experiment_exposed", {"experiment": EXPERIMENT, "variant": variant, "event_id": event.id})
    wish = visit.user.persona.buys * (EFFECT if visit.user.treated else 1.0)
    if visit.world.anomalies.active("revenue_drop", visit.at_ms):
        wish *= _DROPPED_REVENUE
    return visit.dice.happens(wish) and _pays(visit, event)


def refund_properties(event: PlatformEvent) -> dict[str, Any]:
    """Of a refund of the whole price."""
    return {"event_id": event.id, "amount": event.price, "currency": event.city.currency}


def _pays(visit: Visit, event: PlatformEvent) -> bool:
    dice = visit.dice
    payment = {**refund_properties(event), "payment_method": dice.pick(_METHODS)}
    for _ in range(ATTEMPTS):
        trouble = visit.world.anomalies.active("payment_failures", visit.at_ms)
        if not dice.happens(FAILS_IN_ANOMALY if trouble else FAILS):
            visit.event("payment_succeeded", payment)
            visit.event("ticket_purchased", payment)
            if dice.happens(_DISPUTES):
                disputed_ms = visit.at_ms + int(dice.between(5, 25) * DAY_MS)
                visit.later(disputed_ms, "payment_disputed", payment)
            return True
        visit.event("payment_failed", {**payment, "reason": dice.pick(_REASONS)})
        if not dice.happens(_TRIES_AGAIN):
            break
    return False
