"""What ends a replay, as against a bad line, which is reported and passed over."""

from __future__ import annotations


class ReplayError(Exception):
    """A file, mapping or progress file that cannot be used.

    Attributes:
        code: stable lower_snake reason for programs.
        reason: one sentence for a person, which says what to do.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
