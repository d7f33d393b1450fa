"""What the model reads of a session: a byte each, of a logarithm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.watch import Watch
from loopin_streams.anomalies.following import HOURS, MINUTE_MS, sessions_at
from loopin_streams.anomalies.rules import HOUR_MS

Rows = NDArray[np.float64]
"""Logarithms of one more than each number: a row for each session."""


class Feature(NamedTuple):
    """A number of a session; ``about`` is what a person is told of it."""

    name: str
    about: str


FEATURES: Final[tuple[Feature, ...]] = (
    Feature("events", "events"),
    Feature("minutes", "minutes from the first event to the last"),
    Feature("pace", "events a minute"),
    Feature("peak", "most events within a minute"),
    Feature("kinds", "different kinds of events"),
    Feature("repetition", "events of each kind"),
    Feature("pages", "pages and screens"),
    Feature("views", "platform events, communities and content looked at"),
    Feature("social", "likes, messages, follows and joins"),
    Feature("bought", "tickets and payments that went through"),
    Feature("failed", "failed payments"),
    Feature("errors", "exceptions, crashes, and sign-ins that were refused"),
    Feature("parting", "refunds, disputes, leaving and unfollowing"),
    Feature("places", "places that it came from"),
    Feature("devices", "devices"),
    Feature("hour", "how much rarer the user begins sessions at this time of day than at others"),
)
"""In order."""

NAMES: Final = tuple(feature.name for feature in FEATURES)

TARGET: Final = "session"
"""Finished sessions on the topic ``examples`` have this target, and a byte for each feature."""

_STEP: Final = 9 / 255
"""256 steps of logarithms from 0 to 9: of numbers up to 8,000."""

_FEW_SESSIONS: Final = 10
"""Fewer do not tell at which hours a user comes."""


def numbers_of(watch: Watch) -> list[float]:
    """Of the session that the user has, in their own units; see ``FEATURES``."""
    session = watch.session
    if session is None:
        return [0.0] * len(FEATURES)
    counts = session.counts
    events, minutes = counts[0], max(0, watch.last - session.started) / MINUTE_MS
    kinds = max(1, session.names.bit_count())
    return [
        *(events, minutes, events / max(1.0, minutes), session.peak, kinds, events / kinds),
        *counts[1:],
        *(session.places.bit_count(), session.devices.bit_count(), _rarity(watch, session.started)),
    ]


def packed(numbers: Sequence[Sequence[float]]) -> NDArray[np.uint8]:
    """The bytes of sessions' numbers; what is beyond, or no number, is the nearest end."""
    logs = np.log1p(np.maximum(np.nan_to_num(np.array(numbers, np.float64), posinf=1e9), 0.0))
    return np.clip(np.rint(logs / _STEP), 0, 255).astype(np.uint8)


def rows_of(kept: NDArray[np.uint8]) -> Rows:
    """What the model sees of bytes."""
    rows: Rows = kept.astype(np.float64) * _STEP
    return rows


def kept_rows(kept: Sequence[bytes]) -> Rows:
    """The same of bytes that were kept one by one."""
    return rows_of(np.frombuffer(b"".join(kept), np.uint8).reshape(len(kept), len(FEATURES)))


def number_of(log: Any) -> float:
    """The number behind what the model sees."""
    return float(np.expm1(log))


def _rarity(watch: Watch, started: int) -> float:
    by_hour = [sessions_at(watch, hour) for hour in range(HOURS)]
    total = sum(by_hour)
    if total < _FEW_SESSIONS:
        return 1.0
    at = started // (2 * HOUR_MS) % HOURS
    near = by_hour[at] + (by_hour[at - 1] + by_hour[(at + 1) % HOURS]) / 2
    return (2 * total / HOURS + 1) / (near + 1)
