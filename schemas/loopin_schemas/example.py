"""What a model learns from: a prediction's features, and what came of it."""

from __future__ import annotations

import msgspec


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One record on ``examples``.

    Attributes:
        project: whose user it is.
        target: name of what was predicted.
        distinct_id: the user.
        subject: what it was about beside the user, e.g. a platform event.
        made_at: when it was predicted, epoch ms; the features know nothing of later.
        known_at: when the outcome was known, epoch ms.
        features: one byte each.
        outcome: whether it happened.
    """

    project: str
    target: str
    distinct_id: str
    subject: str = ""
    made_at: int
    known_at: int
    features: bytes
    outcome: bool
