"""What keeps a world from being simulated."""

from __future__ import annotations


class SimulationError(Exception):
    """A world that cannot be, or a file of it that cannot be used.

    Attributes:
        code: stable lower_snake reason for programs.
        reason: one sentence for a person, which says what to do.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
