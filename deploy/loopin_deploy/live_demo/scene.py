"""What happens in the demo's ticket sale, and when: a play whose acts end when its audience has seen them."""

from __future__ import annotations

from typing import Final, NamedTuple

from loopin_schemas.alert import Severity

METRIC: Final = "payment_failure_rate"
"""What the play is about; its built-in rule looks at the last 15 minutes."""

OPENING_S: Final = 20.0
"""With the payments of so long, what fails is a small share at first, and a warning comes before critical."""

LOOK_S: Final = 8.0
"""How long a warning can be seen before it gets worse, and payments go on failing once it is critical."""

FAILING_S: Final = 120.0
MENDING_S: Final = 16 * 60.0
"""By then what failed is no part of the last 15 minutes any more."""

FIRST_FAILING: Final = 0.18
"""Share that fails until there is a warning: less than what is critical, however late somebody looks."""

DOUBLES_S: Final = 15.0
"""In which failing payments become twice as many."""

MOST_FAILING: Final = 20.0
"""Payments a second."""


class Act(NamedTuple):
    """Payments a second, the share (0 to 1) of them that fail, and what is said of it."""

    name: str
    payments_per_s: float
    failing: float
    says: str


class Play:
    """Goes from act to act, by the time and by what the alert is.

    An alert that an earlier run has left must be over first: while it fires, there cannot be another.
    """

    def __init__(self, now_s: float) -> None:
        self._act = "clearing"
        self._since_s = now_s
        self._warned_s: float | None = None
        self._critical_s: float | None = None

    def at(self, now_s: float, alert: Severity | None) -> Act:
        """The act now; ``now_s`` only grows, ``alert`` is how severe the alert on payments is."""
        while (following := self._following(now_s, alert)) is not None:
            self._act, self._since_s = following, now_s
        return self._played(now_s, alert)

    def _following(self, now_s: float, alert: Severity | None) -> str | None:
        passed_s = now_s - self._since_s
        if self._act == "clearing":
            return "opening" if alert is None or passed_s >= MENDING_S else None
        if self._act == "opening":
            return "failing" if passed_s >= OPENING_S else None
        if self._act == "failing":
            if alert is not None and self._warned_s is None:
                self._warned_s = now_s
            if alert == "critical" and self._critical_s is None:
                self._critical_s = now_s
            seen = self._critical_s is not None and now_s - self._critical_s >= LOOK_S
            return "mending" if seen or passed_s >= FAILING_S else None
        if self._act == "mending":
            return "over" if alert is None or passed_s >= MENDING_S else None
        return None

    def _played(self, now_s: float, alert: Severity | None) -> Act:
        passed_s = now_s - self._since_s
        if self._act == "clearing":
            return Act(
                self._act, 12.0, 0.01, "The alert of an earlier run ends first, as payments go through."
            )
        if self._act == "opening":
            left_s = max(1, round(OPENING_S - passed_s))
            says = f"A ticket sale is on. In {left_s} s its payments begin to fail."
            return Act(self._act, 3.0, 0.02, says)
        if self._act == "failing":
            # The more went through before, the more have to fail.
            rate = min(MOST_FAILING, 4.0 * 2.0 ** (passed_s / DOUBLES_S))
            if alert is None:
                says = "The payment provider begins to fail: soon it is a warning."
                return Act(self._act, rate, FIRST_FAILING, says)
            if alert == "warning" and self._warned_s is not None and now_s - self._warned_s < LOOK_S:
                return Act(self._act, 3.0, 0.15, "The payment provider fails: it is a warning.")
            comes = "soon it is critical" if alert == "warning" else "it goes on a little"
            return Act(self._act, rate, 0.6, f"The payment provider fails more and more: {comes}.")
        if self._act == "mending":
            says = "The provider works again: the alert ends in 2 to 4 minutes, when 15 are well."
            return Act(self._act, 12.0, 0.01, says)
        return Act(self._act, 1.0, 0.02, "The alert is over, and the sale goes on.")
