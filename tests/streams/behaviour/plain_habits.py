"""Habits once more, over a list of events in the order of their arrival; it shares nothing with ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

ERA_MS = 28 * 24 * 3_600_000
LIKED = (
    "event_viewed",
    "event_join_requested",
    "event_joined",
    "event_attended",
    "event_reviewed",
    "ticket_purchased",
)


class Did(NamedTuple):
    """Something that a user did, at epoch ms."""

    name: str
    at: int
    properties: dict[str, Any] = {}  # noqa: RUF012 (never changed)


@dataclass
class Plain:
    """Exact sums; prices by currency."""

    hours: Counter[int] = field(default_factory=Counter)
    weekdays: Counter[int] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    event_types: Counter[str] = field(default_factory=Counter)
    communities: Counter[str] = field(default_factory=Counter)
    zone: str = ""
    bought: dict[str, list[float]] = field(default_factory=dict)
    viewed: dict[str, list[float]] = field(default_factory=dict)
    failures: int = 0


def plain_habits(log: Sequence[Did], project_zone: str = "UTC") -> Plain:
    """Every event weighs half for each era of 28 days (since 1970) between it and the newest one."""
    newest = max(one.at for one in log) // ERA_MS
    found, paid_at = Plain(), 0
    for one in log:
        weight: Any = 0.5 ** (newest - one.at // ERA_MS)
        zone = one.properties.get("$timezone") or one.properties.get("$geoip_time_zone")
        if isinstance(zone, str) and "/" in zone:
            found.zone = zone
        clock = datetime.fromtimestamp(one.at / 1000, UTC).astimezone(ZoneInfo(found.zone or project_zone))
        found.hours[clock.hour] += weight
        found.weekdays[clock.isoweekday() - 1] += weight
        found.actions[one.name] += weight
        if one.properties.get("community_id"):
            found.communities[str(one.properties["community_id"])] += weight
        if one.properties.get("category") and one.name in LIKED:
            found.event_types[one.properties["category"]] += weight
        code = one.properties.get("currency", "")
        if one.name == "ticket_purchased" and one.properties.get("amount") is not None:
            found.bought.setdefault(code, []).append(one.properties["amount"])
        if one.name == "event_viewed" and one.properties.get("price") is not None:
            found.viewed.setdefault(code, []).append(one.properties["price"])
        if one.name in ("ticket_purchased", "payment_succeeded", "payment_failed") and one.at >= paid_at:
            found.failures = found.failures + 1 if one.name == "payment_failed" else 0
            paid_at = one.at
    return found
