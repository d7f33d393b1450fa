"""The client SDK and what is built on it: replay of files and a simulated world.

from loopin_producers import Loopin

loopin = Loopin("127.0.0.1:9092", project="shop")
loopin.capture("ticket_purchased", "user-17", {"amount": 25.0, "currency": "EUR"})
"""

from loopin_producers.client import Loopin, Stats
from loopin_producers.errors import ClientClosed, DeliveryFailed, InvalidConfiguration, LoopinError, QueueFull

__all__ = [
    "ClientClosed",
    "DeliveryFailed",
    "InvalidConfiguration",
    "Loopin",
    "LoopinError",
    "QueueFull",
    "Stats",
]
