"""A record that could not be processed, kept whole so that it can be repaired and replayed."""

from __future__ import annotations

import hashlib

import msgspec

MAX_BODY_BYTES = 256 * 1024
"""Longest original body kept; the size and the hash are those of the whole."""

MAX_KEY_BYTES = 1024
"""Longest original key kept; the broker takes keys of any length, and a whole one may not fit a record."""


class DeadLetter(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One record on ``events.dlq``.

    ``reason`` is a stable code, ``field`` the dotted path at fault, ``step`` the pipeline step that
    refused the record, ``message`` one sentence for a person. ``topic``, ``topic_id``, ``partition`` and
    ``offset`` are the record's origin. ``body`` holds the first 256 KB of the original bytes, ``size``
    (bytes) and ``sha256`` describe all of them; ``key`` holds the key's first 1 KB. ``scrubbed`` says that
    text which is never stored was taken out of the body. Times are epoch milliseconds UTC.
    """

    reason: str
    step: str
    message: str
    topic: str
    topic_id: str
    partition: int
    offset: int
    first_seen: int
    last_seen: int
    size: int
    sha256: str
    body: bytes
    field: str | None = None
    key: bytes | None = None
    project: str | None = None
    scrubbed: bool = False

    @property
    def truncated(self) -> bool:
        """Whether ``body`` is shorter than the original."""
        return len(self.body) < self.size

    @property
    def place(self) -> str:
        """Where the record is or was, as ``topic_id:partition:offset``."""
        return f"{self.topic_id}:{self.partition}:{self.offset}"


class Replayed(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One record on ``dlq.replayed``: a dead letter that must not be replayed again.

    ``place`` is where the letter's own record was (``topic_id:partition:offset``) and the record's key,
    ``origin`` the place of the first record of the chain: another one where a repaired event failed again.
    ``project`` and ``uuid`` are the published event's, ``first_seen`` is the origin's arrival and
    ``replayed_at`` the moment of the replay, both epoch ms. ``fix`` names the file that repaired it, or is
    ``edit`` (by hand) or empty (published as it was).
    """

    place: str
    origin: str
    project: str
    uuid: str
    first_seen: int
    replayed_at: int
    fix: str = ""


def fingerprint(body: bytes) -> str:
    """SHA-256 of a body, hexadecimal."""
    return hashlib.sha256(body).hexdigest()
