"""The one error of the notifier's configuration."""

from __future__ import annotations


class NotifyError(Exception):
    """Alerts cannot be delivered as it is configured; the text is one sentence that says what to do.

    Attributes:
        code: stable reason: ``notify_file_missing``, ``notify_file_unreadable``,
            ``notify_file_readable_by_others``, ``notify_file_invalid``, ``channel_invalid``,
            ``channel_unknown``, ``library_missing``.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
