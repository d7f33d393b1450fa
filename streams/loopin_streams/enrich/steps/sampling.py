"""A share of the users instead of all."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from loopin_streams.enrich.draft import Context, Draft, Drop

SAMPLED = Drop("sampled")

_KEY: Final = b"loopin sampling rate"
"""So that the sample has nothing to do with the users' partitions. It never changes: nor does the sample."""


def sample_users(drafts: Sequence[Draft], context: Context) -> None:
    """Mark the drafts of users outside the sample: a user's events stay or go together."""
    rate = context.sampling_rate
    if rate >= 1:
        return
    inside: dict[bytes, bool] = {}
    for draft in drafts:
        stays = inside.get(draft.key)
        if stays is None:
            stays = inside[draft.key] = is_sampled(draft.key, rate)
        if not stays:
            draft.outcome = SAMPLED


def is_sampled(key: bytes, rate: float) -> bool:
    """Whether the user with this key (``project:distinct_id``) is in.

    Who is in a small sample is in every larger one, too.
    """
    digest = blake2b(key, digest_size=8, key=_KEY).digest()
    return int.from_bytes(digest, "big") < rate * 2**64
