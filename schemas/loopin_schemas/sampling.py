"""Which users a sampling rate keeps: the same in the client and in the stream."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from loopin_schemas.topics import event_key

_KEY: Final = b"loopin sampling rate"
"""So that the sample has nothing to do with the users' partitions. It never changes: nor does the sample."""

SAMPLED_OUT: Final = "$sampled_out"
"""True on a link of identity whose user a client has left out of its sample: the link counts, the event
itself is not stored."""


def sampled(project: str, distinct_id: str, rate: float) -> bool:
    """Whether the user is among the share ``rate`` (0-1) that is kept."""
    return rate >= 1 or key_sampled(event_key(project, distinct_id), rate)


def key_sampled(key: bytes, rate: float) -> bool:
    """Whether the user with this record key (``project:distinct_id``) is kept.

    By a hash, so that all events of a distinct_id are kept or none, and who is kept at a lower rate is among
    those kept at a higher one.
    """
    digest = blake2b(key, digest_size=8, key=_KEY).digest()
    return int.from_bytes(digest, "big") < rate * 2**64
