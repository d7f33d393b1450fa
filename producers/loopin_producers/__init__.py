"""The client SDK and what is built on it: replay of files and a simulated world.

from loopin_producers import Loopin

loopin = Loopin("127.0.0.1:9092", project="shop")
loopin.capture("ticket_purchased", "user-17", {"amount": 25.0, "currency": "EUR"})
"""

from loopin_producers.client import Loopin, Stats
from loopin_producers.context import identify_context, new_context, set_context_session, tag
from loopin_producers.default import (
    alias,
    capture,
    configure,
    default_client,
    flush,
    group_identify,
    identify,
    reset,
    set,
    set_once,
    shutdown,
)
from loopin_producers.errors import (
    ClientClosed,
    DeliveryFailed,
    EventRefused,
    HookFailed,
    InvalidConfiguration,
    LoopinError,
    QueueFull,
    SpoolFull,
    SpoolUnreadable,
)

__all__ = [
    "ClientClosed",
    "DeliveryFailed",
    "EventRefused",
    "HookFailed",
    "InvalidConfiguration",
    "Loopin",
    "LoopinError",
    "QueueFull",
    "SpoolFull",
    "SpoolUnreadable",
    "Stats",
    "alias",
    "capture",
    "configure",
    "default_client",
    "flush",
    "group_identify",
    "identify",
    "identify_context",
    "new_context",
    "reset",
    "set",
    "set_context_session",
    "set_once",
    "shutdown",
    "tag",
]
