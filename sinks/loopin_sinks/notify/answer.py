"""What came of an attempt to tell a channel."""

from __future__ import annotations

from typing import NamedTuple


class Taken(NamedTuple):
    """The channel has it."""


class Refused(NamedTuple):
    """The channel will never take it; ``reason`` is for the log."""

    reason: str


class Later(NamedTuple):
    """It did not work this time; ``after_s`` is how long the channel wants to be left alone, in seconds."""

    reason: str
    after_s: float | None = None


Answer = Taken | Refused | Later
