"""Counting a user's events into their habits, in the order of the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any, Final

from loopin_schemas.event import EnrichedEvent
from loopin_schemas.habits import (
    ACTION_KEYS,
    ERA_DAYS,
    HOURS,
    LONGEST_NAME,
    MOST_ACTIONS,
    MOST_COMMUNITIES,
    MOST_CURRENCIES,
    MOST_EVENT_TYPES,
    MOST_FAILURES,
    ON_CLOCK,
    WEEKDAYS,
    WHOLE,
    Habits,
    Prices,
    Spending,
)
from loopin_schemas.profile import Profile
from loopin_schemas.project import check_zone
from loopin_streams.projects.project import zone_name, zone_of
from loopin_streams.state.amounts import MAX_AMOUNT, added, amount, currency, millionths, number

ERA_MS: Final = ERA_DAYS * 86_400_000
_FULL: Final = 255 - ON_CLOCK
_QUARTER_MS: Final = 15 * 60_000
"""Clocks of all zones differ by whole quarters of an hour, and are set at one."""

INTEREST: Final = frozenset(
    {
        *("event_viewed", "event_join_requested", "event_joined", "event_attended", "event_reviewed"),
        "ticket_purchased",
    }
)
"""Acts on platform events that tell what kinds of them a user likes."""

_PAID: Final = frozenset({"ticket_purchased", "payment_succeeded"})
_MONEY: Final = frozenset({*_PAID, "payment_failed", "event_viewed"})


class HabitCounter:
    """Counts events into the habits of their users; ``zone`` says where a project's days begin."""

    def __init__(self, zone: Callable[[str], tzinfo]) -> None:
        self._zone = zone
        self._zones: dict[str, str] = {}

    def count(self, profile: Profile, event: EnrichedEvent, properties: Mapping[str, Any]) -> None:
        """Count an event that its user did."""
        at, name = event.timestamp, event.event
        era = at // ERA_MS
        habits = profile.habits
        if habits is None:
            habits = profile.habits = Habits(era, bytearray(HOURS + WEEKDAYS))
        if era > habits.era:
            _turn_to(habits, era)
        named = properties.get("$timezone") or properties.get("$geoip_time_zone")
        if named is not None and named != habits.zone and isinstance(named, str):
            habits.zone = _known(named) or habits.zone
        weight = WHOLE >> (habits.era - era)
        if weight:
            zone = habits.zone or self._zones.get(event.project) or self._zone_of(event.project)
            hour, weekday = _hand(zone, at // _QUARTER_MS)
            clock = habits.clock
            if clock[hour] > _FULL or clock[weekday] > _FULL:
                _halve(clock)
            clock[hour] += weight >> 1
            clock[weekday] += weight >> 1
            key, actions = ACTION_KEYS[name], habits.actions
            if key in actions:
                actions[key] += weight
            else:
                _add(actions, key, weight, MOST_ACTIONS)
            if "community_id" in properties:
                _add_text(habits.communities, properties["community_id"], weight, MOST_COMMUNITIES)
            if "category" in properties and name in INTEREST:
                _add_text(habits.event_types, properties["category"], weight, MOST_EVENT_TYPES)
        if name in _MONEY:
            _follow_money(habits, name, at, properties)

    def _zone_of(self, project: str) -> str:
        # Once a batch: a project's zone does not change within one.
        found = self._zones[project] = zone_name(self._zone(project))
        return found


def _turn_to(habits: Habits, era: int) -> None:
    """Let a later era begin: what was counted weighs half for each."""
    passed = era - habits.era
    habits.clock = bytearray(count >> passed for count in habits.clock)
    habits.actions = _faded(habits.actions, passed)
    habits.event_types = _faded(habits.event_types, passed)
    habits.communities = _faded(habits.communities, passed)
    habits.era = era


def _halve(clock: bytearray) -> None:
    """Make room in the hours, or the weekdays, where one is full."""
    for part in (slice(HOURS), slice(HOURS, None)):
        if max(clock[part]) > _FULL:
            clock[part] = bytes(count >> 1 for count in clock[part])


def _faded(counts: dict[str, int], passed: int) -> dict[str, int]:
    return {name: left for name, count in counts.items() if (left := count >> passed)}


def _add_text(counts: dict[str, int], named: object, weight: int, most: int) -> None:
    if isinstance(named, int) and not isinstance(named, bool):
        named = str(named)
    if isinstance(named, str) and named:
        _add(counts, named[:LONGEST_NAME], weight, most)


def _add(counts: dict[str, int], name: str, weight: int, most: int) -> None:
    held = counts.get(name)
    if held is not None:
        counts[name] = held + weight
    elif len(counts) < most:
        counts[name] = weight
    else:
        # Of the least the one that came first: the order is part of the state.
        least = min(counts, key=counts.__getitem__)
        counts[name] = counts.pop(least) + weight


def _follow_money(habits: Habits, name: str, at: int, properties: Mapping[str, Any]) -> None:
    if name == "event_viewed" and "price" not in properties:
        return
    spending = habits.spending
    if spending is None:
        spending = habits.spending = Spending()
    if name == "event_viewed":
        price = number(properties["price"])
        if price is not None and 0 <= price < MAX_AMOUNT:
            _price(spending.viewed, currency(properties), millionths(price))
        return
    if name == "ticket_purchased":
        paid = amount(properties)
        if paid is not None and paid >= 0:
            _price(spending.bought, currency(properties), paid)
    if at >= spending.at:
        spending.failures = 0 if name in _PAID else min(spending.failures + 1, MOST_FAILURES)
        spending.at = at


def _price(prices: dict[str, Prices], code: str, price: int) -> None:
    held = prices.get(code)
    if held is not None:
        held.least = min(held.least, price)
        held.greatest = max(held.greatest, price)
        held.number += 1
        held.total = added(held.total, price)
    elif len(prices) < MOST_CURRENCIES:
        prices[code] = Prices(price, price, 1, price)


@lru_cache(maxsize=16_384)
def _hand(zone: str, quarter: int) -> tuple[int, int]:
    """Where in ``Habits.clock`` a quarter of an hour (since 1970) belongs: its hour, and its weekday."""
    local = datetime.fromtimestamp(quarter * _QUARTER_MS / 1000, UTC).astimezone(zone_of(zone))
    return local.hour, HOURS + local.weekday()


@lru_cache(maxsize=1024)
def _known(zone: str) -> str:
    """The name, where it is that of a time zone; else ``""``."""
    try:
        return check_zone(zone)
    except ValueError:
        return ""
