"""What a rule says of a value."""

from __future__ import annotations

from collections.abc import Iterable
from math import log
from typing import Final, Generic, NamedTuple, TypeVar

from loopin_schemas.alert import AlertWindow, ExpectedRange, Severity
from loopin_schemas.alert_rule import Absence, Change, Threshold
from loopin_schemas.metrics.ratios import Ratio


class Verdict(NamedTuple):
    """How bad it is (None: not at all), which limit was passed, and whether an alert that fires goes on.

    ``by_chance`` says that a limit was passed, by so few events that it may mean nothing.
    """

    severity: Severity | None
    threshold: float | None = None
    holds: bool = False
    expected: ExpectedRange | None = None
    by_chance: bool = False


class Judgement(NamedTuple):
    """A verdict, and what it was made of: see :class:`loopin_schemas.alert.Alert`."""

    verdict: Verdict
    value: float | None
    number: int
    window: AlertWindow
    windows: tuple[str, ...] = ()
    reason: str = ""


QUIET = Verdict(None)

TOO_FEW: Final = "too little has happened since to tell."

W = TypeVar("W")
"""Names some windows."""


class Counted(NamedTuple, Generic[W]):
    """Some windows together: how many events or users, and the value that is judged, None for none."""

    over: W
    number: int
    value: float | None


class Judged(NamedTuple, Generic[W]):
    """Which windows count, and what is to be said of them; ``reason`` where that is not by their value."""

    of: Counted[W]
    verdict: Verdict
    reason: str = ""


def judge_spans(
    condition: Threshold,
    warning: float | None,
    at_least: int,
    spans: Iterable[Counted[W]],
    *,
    ratio: Ratio | None,
    told: bool = False,
) -> Judged[W]:
    """A threshold over several numbers of windows, from few to many, of which one at least is given.

    The first with ``at_least`` counts; but what may be chance among so few (of a ``ratio`` of
    numbers of things) is none among more, so the next ones are looked at then. ``warning`` stands in place of
    the rule's own. Where all have too few nothing is said; of an alert that was ``told``, the last value
    still says whether it goes on.
    """
    found: Judged[W] | None = None
    last: Counted[W] | None = None
    for last in spans:
        if last.number < at_least or last.value is None:
            continue
        verdict = judge_threshold(condition, last.value, warning, last.number, ratio)
        if found is None or verdict.severity is not None:
            found = Judged(last, verdict)
        if not verdict.by_chance:
            break
    if found is not None:
        return found
    assert last is not None, "a rule has a span"
    verdict = QUIET
    if told and last.value is not None:
        verdict = judge_threshold(condition, last.value, warning)._replace(severity=None)
    return Judged(last, verdict, TOO_FEW)


def judge_threshold(
    of: Threshold, value: float, warning: float | None, number: int = 0, ratio: Ratio | None = None
) -> Verdict:
    """A value against the limits; ``warning`` stands in place of the rule's own.

    ``number`` is how many events a ``ratio`` is over.
    """
    critical = of.critical
    if critical is not None and warning is not None and _passes(of, warning, critical):
        # A project may bear more than what is critical elsewhere.
        critical = warning
    found: tuple[tuple[Severity, float | None], ...] = (("critical", critical), ("warning", warning))
    limits = [(severity, limit) for severity, limit in found if limit is not None]
    passed = [(severity, limit) for severity, limit in limits if _passes(of, value, limit)]
    for severity, limit in passed:
        if not _by_chance(of, value, limit, number, ratio):
            return Verdict(severity, limit, holds=True)
    least = limits[-1][1]
    back = of.hysteresis * abs(least)
    holds = value > least - back if of.direction == "above" else value < least + back
    return Verdict(None, least, holds=holds, by_chance=bool(passed))


def judge_change(of: Change, value: float, before: float) -> Verdict:
    """A value against an earlier one; from nothing, no share can be told."""
    if before == 0:
        return QUIET
    share = (value - before) / abs(before)
    if (of.direction == "up" and share < 0) or (of.direction == "down" and share > 0):
        return QUIET
    limits: tuple[tuple[Severity, float | None], ...] = (("critical", of.critical), ("warning", of.warning))
    for severity, limit in limits:
        # A little less: half of 0.7 is not always 0.35.
        if limit is not None and abs(share) >= limit - 1e-12:
            return Verdict(severity, before * (1 + (limit if share > 0 else -limit)), holds=True)
    return QUIET


def judge_absence(of: Absence, count: int, before: int, at_least: int) -> Verdict:
    """How many there were, and how many in as much time before."""
    if count >= of.least:
        return QUIET
    was_there = before >= max(at_least, of.least)
    return Verdict(of.severity if was_there else None, float(of.least), holds=True)


def _by_chance(of: Threshold, value: float, limit: float, number: float, ratio: Ratio | None) -> bool:
    """Whether few events may just happen to show a ratio, where half the limit is the truth."""
    if ratio is None or of.chance == 0 or limit <= 0 or value < 0:
        return False
    if ratio == "rate":
        # Of two independent numbers, given their sum, the one is binomial (J. Przyborowski and H. Wilenski,
        # Biometrika 31, 1940). Below a limit, twice the limit is the truth.
        usual = limit / 2 if of.direction == "above" else limit * 2
        number, value, usual = number * (1 + value), value / (1 + value), usual / (1 + usual)
    elif limit >= 1 or value > 1:
        return False
    else:
        # Below a limit, what is missing to 1 is what is too much.
        value, usual = (value, limit / 2) if of.direction == "above" else (1 - value, (1 - limit) / 2)
    distance = value * log(value / usual) if value > 0 else 0.0
    if value < 1:
        distance += (1 - value) * log((1 - value) / (1 - usual))
    return number * distance < -log(of.chance)


def _passes(of: Threshold, value: float, limit: float) -> bool:
    return value >= limit if of.direction == "above" else value <= limit
