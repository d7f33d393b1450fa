"""Something odd about a user or a session, as it is found on the stream."""

from __future__ import annotations

from typing import Literal

import msgspec

AnomalyKind = Literal[
    "impossible_travel",
    "burst",
    "account_sharing",
    "sudden_inactivity",
    "payment_failure_streak",
    "odd_session",
]
"""The named rules, and ``odd_session``, which the model of sessions finds."""


class OddFeature(msgspec.Struct, frozen=True, kw_only=True):
    """A number that made it odd.

    Attributes:
        name: of the feature.
        value: what it was, in its own unit.
        usual: what is usual: of rules the limit, of the model the middle of past sessions.
        weight: share (0 to 1) of the oddness that is due to it; 1 for the one that a rule judges, 0 for what
            else it shows.
    """

    name: str
    value: float
    usual: float | None = None
    weight: float = 0.0


class Anomaly(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record on ``anomalies``.

    Attributes:
        project: whose user.
        distinct_id: the user.
        kind: name of the rule, or ``odd_session``.
        at: time of the event that raised it, of silence the moment that was looked at; epoch ms.
        since: when that began which is odd, epoch ms.
        score: what was judged: of rules the first feature's value, of the model from 0 on.
        threshold: from which on it is odd.
        features: what made it odd, strongest first.
        detector: version of the rules (``rules 1``) or of the model (``session_tails 7``).
        raw_partition: partition of ``events.raw`` of the event that raised it.
        raw_offset: its offset there; of silence that of the user's newest event.
        event_name: the name of that event; empty for silence.
        version: format of the record.
    """

    project: str
    distinct_id: str
    kind: AnomalyKind
    at: int
    since: int
    score: float
    threshold: float
    features: tuple[OddFeature, ...]
    detector: str
    raw_partition: int = msgspec.field(name="_raw_partition")
    raw_offset: int = msgspec.field(name="_raw_offset")
    event_name: str = ""
    version: int = 1
