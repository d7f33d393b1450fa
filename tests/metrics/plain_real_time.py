"""The last minutes once more, over a list of events; it shares nothing with the code that is judged by it."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.metrics.plain import (
    Act,
    World,
    active_persons,
    between,
    first_text,
    number,
    online_members,
    persons,
    rate_of,
    revenue,
)


def minute_starts(now: datetime, minutes: int = 30) -> list[datetime]:
    """The starts of the last minutes of the clock before ``now``, which may lie within the last one."""
    last = (now - timedelta(microseconds=1)).astimezone(UTC).replace(second=0, microsecond=0)
    return [last - timedelta(minutes=back) for back in reversed(range(minutes))]


def tally(world: World, start: datetime, end: datetime) -> dict[str, Any]:
    """All but the members who are online."""
    return {
        "events": len(between(world.active, start, end)),
        "active_users": len(active_persons(world, start, end)),
        "revenue": revenue(world, start, end),
        "errors": sum(map(is_error, between(world.acts, start, end))),
    }


def is_error(act: Act) -> bool:
    if act.name == "error_logged":
        return act.properties.get("level") in ("error", "critical")
    return act.name in ("$exception", "app_crashed")


def online(world: World, minute: datetime) -> int:
    """Members active in that minute of the clock or the four before."""
    (number,) = online_members(world, minute, minute + timedelta(minutes=1))
    return number


def top_events(world: World, start: datetime, end: datetime) -> dict[str, int]:
    return dict(Counter(act.name for act in between(world.active, start, end)))


def countries(world: World, start: datetime, end: datetime) -> dict[str, tuple[int, int]]:
    """By country, active users and events."""
    acts = between(world.active, start, end)
    from_there = {
        named: [act for act in acts if (first_text(act, "country") or "") == named]
        for named in {first_text(act, "country") or "" for act in acts}
    }
    return {named: (len(persons(found)), len(found)) for named, found in from_there.items()}


def unconverted(world: World, start: datetime, end: datetime) -> dict[str, float]:
    """Purchases less refunds by currency, where there is no rate; what is no code is ``other``."""
    sums: dict[str, float] = defaultdict(float)
    for act in between(world.acts, start, end, "ticket_purchased", "payment_refunded"):
        amount = number(act, "amount", -1e12, 1e12)
        if amount is not None and abs(amount) < 1e12 and rate_of(world, act) is None:
            code = str(act.properties["currency"]).strip().upper()
            sign = 1 if act.name == "ticket_purchased" else -1
            sums[code if len(code) == 3 else "other"] += sign * amount
    return dict(sums)
