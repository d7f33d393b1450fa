"""The one error that bad input raises, wherever it is met."""

from __future__ import annotations


class InvalidEvent(ValueError):
    """An event that cannot be accepted.

    Attributes:
        code: stable lower_snake reason for programs, e.g. ``distinct_id_forbidden``.
        field: dotted path of the offending field, or None when the whole body is at fault.
        reason: one sentence for a person.
    """

    def __init__(self, code: str, field: str | None, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.field = field
        self.reason = reason

    def __reduce__(self) -> tuple[type[InvalidEvent], tuple[str, str | None, str]]:
        return (InvalidEvent, (self.code, self.field, self.reason))
