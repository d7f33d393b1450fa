from __future__ import annotations

import pytest

from loopin_sinks.progress import Progress

TOPIC_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


@pytest.mark.parametrize("end", [None, 0, 7, 2**62])
def test_what_was_written_comes_back(end: int | None) -> None:
    written = Progress(TOPIC_ID, end, end)
    assert Progress.of(written.text()) == written


def test_it_fits_what_the_broker_keeps_with_an_offset() -> None:
    assert len(Progress(TOPIC_ID, 2**63 - 1, 2**63 - 1).text()) < 4096


@pytest.mark.parametrize("text", ["", "{}", "null", "[]", "someone else's", '{"topic_id":5}', "\0", "ü"])
def test_what_is_not_ours_is_nothing(text: str) -> None:
    assert Progress.of(text) is None
