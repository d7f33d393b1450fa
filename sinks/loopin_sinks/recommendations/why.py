"""Why something is recommended, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from loopin_sinks.recommendations.history import Wanted
from loopin_sinks.recommendations.platform_events import PRICES, Floats, PlatformEvent, PlatformEvents

_PRICE: Final = {
    "free": "It is free, as is much of what you like.",
    "cheap": "It is cheap, as is much of what you like.",
    "middling": "It costs neither little nor much, as does much of what you like.",
    "dear": "It is among the dearest, as is much of what you like.",
}

MOST: Final = 3
"""Reasons that are given, the weightiest first."""

LEAST: Final = 0.02
"""What a signal has to add to the log odds to be one."""


def reasons(names: Sequence[str], parts: Floats, words: Mapping[str, str]) -> list[str]:
    """The words of the signals that add most; a signal without words says nothing.

    Args:
        names: of the signals.
        parts: what each adds, (signals,).
        words: by signal, where it speaks for the item.
    """
    order = sorted(range(len(names)), key=lambda at: -parts[at])
    return [words[names[at]] for at in order if parts[at] >= LEAST and names[at] in words][:MOST]


def of_event(
    events: PlatformEvents, number: int, signals: Mapping[str, float], wanted: Wanted
) -> dict[str, str]:
    """By signal what speaks for a platform event; only of what is so."""
    event = events.all[number]
    looks, takes = int(wanted.looks[number]), int(wanted.takes[number])
    free = _free(event, takes)
    price = PRICES[events.prices[number]]
    known = {
        "place": (signals["place"] > 0, f"It is in {event.city}, where you are."),
        "category": (
            signals["category"] > 0 and event.category != "",
            f"You care for {event.category} more than others do.",
        ),
        "price": (signals["price"] > 0 and price != "", _PRICE.get(price, "")),
        "host": (signals["host"] > 0, "You have joined events of its host."),
        "looked_at": (signals["looked_at"] > 0, "You have looked at it."),
        "popular": (takes > 0, f"{takes} {'has' if takes == 1 else 'have'} joined."),
        "convincing": (looks > 0 and takes > 0, "Of those who look at it, many join."),
        "lasting": (event.starts is not None, "There is time left to join."),
        "seats": (
            free > 0 and signals["seats"] > 0,
            f"{free} {'seat is' if free == 1 else 'seats are'} free.",
        ),
        "neighbours": (signals["neighbours"] > 0, "Guests of hosts you know go there, too."),
    }
    return {name: words for name, (is_so, words) in known.items() if is_so}


def of_community(signals: Mapping[str, float], members: int) -> dict[str, str]:
    """The same of a community."""
    known = {
        "looked_at": (signals["looked_at"] > 0, "You have looked into it."),
        "lately": (signals["lately"] > 0, "You were there in the last 30 days."),
        "popular": (members > 0, f"{members} {'has' if members == 1 else 'have'} joined."),
        "admitted": (signals["admitted"] > 0, "It is open to people from where you are."),
        "neighbours": (signals["neighbours"] > 0, "Members of your communities are there, too."),
    }
    return {name: words for name, (is_so, words) in known.items() if is_so}


def _free(event: PlatformEvent, takes: int) -> int:
    return max(0, round((event.capacity or 0) - takes))
