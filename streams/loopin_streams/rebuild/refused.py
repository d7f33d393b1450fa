"""Why a rebuild cannot be done now."""

from __future__ import annotations


class RebuildRefused(Exception):
    """Nothing was changed; the text is one sentence that says what to do.

    Attributes:
        code: stable reason: ``workers_run``, ``workers_ran``, ``sink_behind``, ``records_lost``,
            ``enrich_unfit``.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
