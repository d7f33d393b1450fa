"""What became of each event of a request."""

from __future__ import annotations

from typing import Literal

import msgspec

from loopin_schemas import InvalidEvent

Result = Literal["ok", "warning", "drop", "retry"]
"""``ok``, ``warning``: the broker has it; ``drop``: refused for good; ``retry``: to be sent again."""


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
    """The broker has the event, but something about it is not as it should be."""
    return Receipt(uuid, "warning", reason, code)


def drop(uuid: str | None, error: InvalidEvent) -> Receipt:
    """The event breaks a rule, and will always break it."""
    return Receipt(uuid, "drop", error.reason, error.code)


def retry(uuid: str) -> Receipt:
    """The broker did not acknowledge the event in time; it may still have arrived."""
    reason = "The broker did not acknowledge the event; send it again with the same uuid."
    return Receipt(uuid, "retry", reason, "not_acknowledged")
