"""What became of each event of a request."""

from __future__ import annotations

from typing import Literal

import msgspec

from loopin_schemas import InvalidEvent

Result = Literal["ok", "warning", "drop", "retry"]
"""``ok``, ``warning``: the broker has it, or, where the code is ``spooled``, the disk; ``drop``: refused for
good; ``retry``: to be sent again."""


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """One event's. ``reason`` is one sentence and ``code`` a stable word, both null for ``ok``.

    ``uuid`` is the event's identity, made by the server where the client gave none, and null where a
    refused event has none.
    """

    uuid: str | None
    result: Result
    reason: str | None = None
    code: str | None = None


def ok(uuid: str) -> Receipt:
    """The broker has the event."""
    return Receipt(uuid, "ok")


def warning(uuid: str, code: str, reason: str) -> Receipt:
    """The event is accepted, but something about it is not as it should be."""
    return Receipt(uuid, "warning", reason, code)


def spooled(receipt: Receipt) -> Receipt:
    """The event is on disk, and goes to the broker once it is back; ``receipt`` is what it would have got."""
    kept = "The broker is away; the event is kept and will be delivered."
    return warning(str(receipt.uuid), "spooled", f"{receipt.reason} {kept}" if receipt.reason else kept)


def drop(uuid: str | None, error: InvalidEvent) -> Receipt:
    """The event breaks a rule, and will always break it."""
    return Receipt(uuid, "drop", error.reason, error.code)


def retry(uuid: str) -> Receipt:
    """The broker did not acknowledge the event in time; it may still have arrived."""
    reason = "The broker did not acknowledge the event; send it again with the same uuid."
    return Receipt(uuid, "retry", reason, "not_acknowledged")
