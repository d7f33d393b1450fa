"""Which users a sampling rate keeps: the same in the client and in the stream."""

from __future__ import annotations

from hashlib import blake2b


def sampled(project: str, distinct_id: str, rate: float) -> bool:
    """Whether the user is among the share ``rate`` (0-1) that is kept.

    By a hash of the user, so that all events of a user are kept or none, funnels stay whole, and the users
    kept at a lower rate are among those kept at a higher one.
    """
    if rate >= 1:
        return True
    digest = blake2b(f"{project}:{distinct_id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < rate * 2**64
