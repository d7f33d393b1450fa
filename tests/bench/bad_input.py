"""What a pipeline should not be sent: hostile events, and records of models that are none.

No event says when it was queued, so that none is among the latencies that are measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import nan
from typing import Any, Final, NamedTuple

from tests.bench.messages import PROJECT
from tests.streams.learning.made_models import linear, version_record

USER: Final = "hostile"
"""Who sends all of it: the distinct_id."""


class Hostile(NamedTuple):
    """An event's body, and whether its row is stored; it goes to the dead letters otherwise."""

    body: bytes
    stored: bool


def _event(event: str, **properties: Any) -> bytes:
    body = {"project": PROJECT, "event": event, "distinct_id": USER, "properties": properties}
    return json.dumps(body).encode()


def _review(text: str) -> bytes:
    return _event("event_reviewed", event_id="event-001", rating=1, text=text)


HOSTILE: Final[Mapping[str, Hostile]] = {
    "a word, 900 kB": Hostile(_review("awful " * 150_000), stored=False),
    "a word, 30 kB": Hostile(_review("awful " * 5_000), stored=True),
    "control characters": Hostile(_review("\x01\x02\x7f\x1b[31m" * 500), stored=True),
    "half a surrogate pair": Hostile(_review("bad \ud800 worse"), stored=False),
    "invalid UTF-8": Hostile(_review("bad").replace(b"bad", b"\xff\xfe\x80"), stored=False),
    "NaN": Hostile(_event("payment_succeeded", amount=nan, currency="EUR"), stored=False),
    "huge numbers": Hostile(
        _event("payment_succeeded", amount=1e308, currency="EUR", price=-(10**300)),
        stored=True,
    ),
}

FLOOD: Final = Hostile(_event("click", element="buy"), stored=True)
"""Sent over and over by one user."""


def corrupt_models(number: int) -> list[tuple[bytes, bytes]]:
    """Keys and values of records of the topic ``models``: garbage, and a version whose numbers are none."""
    made = version_record(project=PROJECT, version=number + 1, scorer=linear(bias=nan, weights=[nan]))
    garbage = f"{PROJECT}:conversion:{number + 1}".encode(), b"\x00\xff garbage"
    return [garbage, (made.key or b"", made.value or b"")]
