from __future__ import annotations

import asyncio
import logging

import pytest

from loopin_producers import QueueFull
from loopin_producers.guard import Guard
from loopin_schemas import InvalidEvent


def test_each_kind_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard("It broke.")
    for _ in range(3):
        for error in (KeyError("private"), QueueFull("Raise the size."), InvalidEvent("a", "b", "Do c.")):
            with guard:
                raise error
    with guard:
        raise InvalidEvent("another", "b", "Do d.")
    assert [record.getMessage() for record in caplog.records] == [
        "It broke. KeyError was raised. Further ones (KeyError) are not logged.",
        "It broke. Raise the size. Further ones (queue_full) are not logged.",
        "It broke. Do c. Further ones (a) are not logged.",
        "It broke. Do d. Further ones (another) are not logged.",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_ends_the_program_passes(error: type[BaseException]) -> None:
    with pytest.raises(error), Guard("It broke."):
        raise error


def test_nothing_raised_is_nothing_logged(caplog: pytest.LogCaptureFixture) -> None:
    with Guard("It broke."):
        pass
    assert caplog.records == []
