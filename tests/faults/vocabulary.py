"""Which events occur, how often, and with which properties."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import accumulate
from typing import Any, NamedTuple

Properties = dict[str, Any]

COUNTRIES = ("IN", "DE", "FR", "GB", "NL", "TR", "US", "AE", "Österreich", "日本")

ODD_COUNTRIES: tuple[Any, ...] = ("", 49, None, "x" * 101, ["IN"])
"""What clients send in place of a country; none of it counts as one."""

_TEXTS = (
    "Absolutely loved it! The host was warm and the food was fantastic.",
    "Best evening I have had in months, thank you so much :)",
    "The sound was bad and we had to wait outside for half an hour.",
    "A complete waste of time and money, I was REALLY angry!!!",
    "Well organised, but the room was not very good.",
    "We met at six and walked along the river to the old town.",
    "Great 🎉 but pricey",
    "Nicht schlecht, aber zu laut.",
)

_AMOUNTS: tuple[Any, ...] = (499, 1200.5, 0.1, 0.2, 75.25, 3333, "250.75", "1e3", 19.99)
_ODD_AMOUNTS: tuple[Any, ...] = ("free", None, 1e13, -1e12, True, "", [5])
_CURRENCIES: tuple[Any, ...] = ("INR", "INR", "INR", "INR", "USD", "EUR", " inr ", "usd", "rupees", "€")


class Kind(NamedTuple):
    """One kind of event; ``placed`` says whether it names a country."""

    name: str
    weight: int
    properties: Callable[[random.Random], Properties]
    placed: bool = True


def _page(rng: random.Random) -> Properties:
    return {
        "path": rng.choice(("/", "/events", "/communities")),
        "device_type": rng.choice(("mobile", "web")),
    }


def _event(rng: random.Random) -> Properties:
    return {"event_id": f"event-{rng.randrange(40)}"}


def _content(rng: random.Random) -> Properties:
    return {"content_type": "post", "object_id": f"post-{rng.randrange(300)}"}


def _comment(rng: random.Random) -> Properties:
    return {**_content(rng), "text": rng.choice(_TEXTS)}


def _message(rng: random.Random) -> Properties:
    return {"text": f"{rng.choice(_TEXTS)} {rng.choice(_TEXTS)}"}


def _review(rng: random.Random) -> Properties:
    return {**_event(rng), "rating": rng.randrange(1, 6), "text": rng.choice((*_TEXTS, "", "  "))}


def _payment(rng: random.Random) -> Properties:
    amount = rng.choice(_ODD_AMOUNTS if rng.random() < 0.05 else _AMOUNTS)
    found: Properties = {**_event(rng), "amount": amount}
    if rng.random() > 0.2:
        found["currency"] = rng.choice(_CURRENCIES)
    return found


def _request(rng: random.Random) -> Properties:
    return {"route": "/api/events", "method": "GET", "status": 200, "duration_ms": rng.randrange(1, 900)}


def _measured(rng: random.Random) -> Properties:
    return {"metric_type": "cpu_usage", "value": rng.randrange(100)}


def _error(rng: random.Random) -> Properties:
    return {"level": "error", "message": rng.choice(("Payment failed horribly", "Timeout after 30 s"))}


def _nothing(_: random.Random) -> Properties:
    return {}


EVENTS: tuple[Kind, ...] = (
    Kind("$pageview", 22, _page),
    Kind("event_viewed", 18, _event),
    Kind("content_viewed", 14, _content),
    Kind("content_liked", 6, _content),
    Kind("content_commented", 4, _comment),
    Kind("event_joined", 5, _event),
    Kind("ticket_purchased", 6, _payment),
    Kind("payment_refunded", 2, _payment),
    Kind("payment_succeeded", 3, _payment),
    Kind("event_reviewed", 6, _review),
    Kind("message_sent", 3, _message, placed=False),
    Kind("user_logged_in", 4, _nothing),
    Kind("api_request", 3, _request, placed=False),
    Kind("system_metric", 1, _measured, placed=False),
    Kind("error_logged", 1, _error),
    Kind("Kein bekanntes Ereignis", 2, _nothing),
)
WEIGHTS = list(accumulate(kind.weight for kind in EVENTS))
"""Cumulative weights of ``EVENTS``."""
