"""When a rule on a ratio says what, by a plain computation over the minutes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from scipy.stats import entropy

WARNING, CRITICAL, BACK = 0.1, 0.2, 0.09


class Event(NamedTuple):
    """What happens after the minute ``at``, by its number: of ``span`` minutes, ``value`` is the ratio."""

    event: str
    at: int
    value: float = math.nan
    span: int = 0
    critical: bool = False


def surprise(whole: int, share: float, expected: float) -> float:
    return whole * float(entropy([share, 1 - share], [expected, 1 - expected]))


def plain_events(
    known: Sequence[tuple[int, int]], *, spans: Sequence[int] = (15, 60), least: int = 20, quiet: int = 0
) -> list[Event]:
    """Of minutes in which so many of so many fail; the ratio is over the first span with ``least`` of them.

    Bad is what chance makes of half the limit in fewer than one of a hundred cases, by Hoeffding's bound;
    what is not, among so few, is looked at over more minutes. It is over once the minute before the last is
    well again, over no more minutes than it was told of, and neither the last nor the next one, which has
    begun, is bad. What is before its end is not looked at again; what is bad after that is told when it has
    been quiet.
    """
    minutes: list[tuple[int, int]] = []
    after = 0

    def taken(end: int, span: int) -> tuple[int, int]:
        found = minutes[max(0, after, end + 1 - span) : end + 1]
        return sum(one[0] for one in found), sum(one[1] for one in found)

    def bad(end: int, longest: int = 10_000) -> Event | None:
        for span in spans:
            whole, part = taken(end, span)
            if span > longest or whole < max(1, least):
                continue
            share = part / whole
            for limit in (CRITICAL, WARNING):
                if share >= limit and surprise(whole, share, limit / 2) >= math.log(100):
                    return Event("", 0, share, span, limit == CRITICAL)
            if share < WARNING:
                return None
        return None

    def holds(end: int, longest: int) -> bool:
        short = [span for span in spans if span <= longest]
        enough = [span for span in short if taken(end, span)[0] >= max(1, least)]
        whole, part = taken(end, enough[0] if enough else short[-1])
        return whole > 0 and part / whole > BACK

    found: list[Event] = []
    now: Event | None = None
    ended = -math.inf
    for at, minute in enumerate(known):
        minutes.append(minute)
        first = bad(at)
        if minute[0] and first is not None:
            if now is None and at - ended > quiet:
                now = first._replace(event="fired", at=at)
                found.append(now)
            elif now is not None and first.critical and not now.critical:
                now = first._replace(event="worse", at=at)
                found.append(now)
        again = now is None and quiet <= at - ended <= max(spans) + 1
        told = 10_000 if now is None else now.span
        seen = [each for each in (bad(at + more, told) for more in (-1, 0, 1)) if each is not None]
        for each in seen:
            if now is None and again:
                now = each._replace(event="fired", at=at)
                found.append(now)
            elif now is not None and each.critical and not now.critical:
                now = each._replace(event="worse", at=at)
                found.append(now)
        if now is not None and not seen and not holds(at - 1, told):
            found.append(Event("resolved", at))
            now, ended, after = None, at, at
    return found
