"""A ticket sale: payments of many buyers, of which a share fails."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, Final, NamedTuple

from loopin_deploy.live_demo.scene import Act

BUYERS: Final = 1500
PRICES: Final = (299, 499, 499, 799, 1499)
CURRENCY: Final = "INR"
EVENT: Final = "event-live-sale"
_METHODS: Final = ("card", "card", "upi", "upi", "wallet", "netbanking")
_MOST_BEHIND_S: Final = 1.0


class Happened(NamedTuple):
    """An event of a buyer."""

    event: str
    distinct_id: str
    properties: dict[str, Any]


class Sale:
    """Says what has happened since the last look; ``now_s`` only grows."""

    def __init__(self, now_s: float, dice: Random) -> None:
        self._last_s = now_s
        self._owed = self._failures_owed = 0.0
        self._dice = dice

    def since(self, now_s: float, act: Act) -> Iterator[Happened]:
        """The payments that fall due, each with the ticket where it went through."""
        # After a pause of the process there is no rush.
        self._owed += act.payments_per_s * min(now_s - self._last_s, _MOST_BEHIND_S)
        self._last_s = now_s
        while self._owed >= 1:
            self._owed -= 1
            yield from self._payment(act)

    def _payment(self, act: Act) -> Iterator[Happened]:
        dice = self._dice
        buyer = f"guest-{dice.randrange(BUYERS):06d}"
        price, method = dice.choice(PRICES), dice.choice(_METHODS)
        payment = {"event_id": EVENT, "amount": price, "currency": CURRENCY, "payment_method": method}
        # In turn, not by chance: the share is exact whenever somebody looks.
        self._failures_owed += act.failing
        if self._failures_owed >= 1:
            self._failures_owed -= 1
            yield Happened("payment_failed", buyer, {**payment, "reason": "provider_error"})
        else:
            yield Happened("payment_succeeded", buyer, payment)
            yield Happened("ticket_purchased", buyer, payment)
