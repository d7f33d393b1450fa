"""What the model reads of a session: a byte each, of a logarithm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.watch import Running, Watch
from loopin_streams.anomalies.following import HOUR_BITS, HOUR_MOST, HOURS, MINUTE_MS
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

_SHIFTS: Final = HOUR_BITS * np.arange(HOURS)


class Snapshot(NamedTuple):
    """A session as it was with one of its events.

    Attributes:
        started: time of its first event, epoch ms.
        lasted: from its first event to its newest, ms.
        hours: sessions of the user by hour of the day, as ``Watch`` has them.
        peak: most events within a minute.
        kinds: different kinds of events; ``places`` and ``devices`` alike.
        places: see ``kinds``.
        devices: see ``kinds``.
        events: this and what follows are ``COUNTS``.
    """

    started: int
    lasted: int
    hours: int
    peak: int
    kinds: int
    places: int
    devices: int
    events: int
    pages: int
    views: int
    social: int
    bought: int
    failed: int
    errors: int
    parting: int


def snapshot(watch: Watch, session: Running) -> Snapshot:
    """What the model may be asked about later."""
    started = session.started
    return Snapshot(
        started,
        watch.last - started,
        watch.hours,
        session.peak,
        session.names.bit_count(),
        session.places.bit_count(),
        session.devices.bit_count(),
        *session.counts,
    )


def numbers_of(snapshots: Sequence[Snapshot]) -> NDArray[np.float64]:
    """Of each session, in their own units; see ``FEATURES``."""
    table = np.array(snapshots, np.int64).reshape(len(snapshots), len(Snapshot._fields))
    started, lasted, hours, peak, kinds, places, devices, events, *counts = table.T
    minutes = np.maximum(lasted, 0) / MINUTE_MS
    numbers = np.empty((len(snapshots), len(FEATURES)))
    columns = (
        *(events, minutes, events / np.maximum(minutes, 1.0), peak, kinds, events / np.maximum(kinds, 1)),
        *counts,
        *(places, devices, _rarity(hours, started)),
    )
    for place, column in enumerate(columns):
        numbers[:, place] = column
    return numbers


def packed(numbers: Sequence[Sequence[float]] | NDArray[np.float64]) -> NDArray[np.uint8]:
    """The bytes of sessions' numbers; what is beyond, or no number, is the nearest end."""
    logs = np.log1p(np.fmax(np.asarray(numbers, np.float64), 0.0))
    return np.rint(np.minimum(logs / _STEP, 255)).astype(np.uint8)


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


def _rarity(hours: NDArray[np.int64], started: NDArray[np.int64]) -> NDArray[np.float64]:
    by_hour = hours[:, None] >> _SHIFTS & HOUR_MOST
    total = by_hour.sum(axis=1)
    rows, at = np.arange(len(hours)), started // (2 * HOUR_MS) % HOURS
    near = by_hour[rows, at] + (by_hour[rows, at - 1] + by_hour[rows, (at + 1) % HOURS]) / 2
    return np.where(total < _FEW_SESSIONS, 1.0, (2 * total / HOURS + 1) / (near + 1))
