from __future__ import annotations

import asyncio
import logging

import pytest

from loopin_producers import DeliveryFailed, QueueFull
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


def test_what_works_again_is_logged_anew(caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard("It broke.")
    for _ in range(2):
        guard.note(DeliveryFailed("Do e.", kafka_error="_E"))
        guard.note(DeliveryFailed("Do e.", kafka_error="_E"))
        guard.note(DeliveryFailed("Do f.", kafka_error="_F"))
        guard.forget()
    said = [record.getMessage() for record in caplog.records]
    assert said[:2] == [
        "It broke. Do e. Further ones (delivery_failed _E) are not logged.",
        "It broke. Do f. Further ones (delivery_failed _F) are not logged.",
    ]
    assert said[2:] == said[:2]
    # Neither was raised, so there is no trace to show.
    assert {record.exc_info for record in caplog.records} == {None}


def test_nothing_raised_is_nothing_logged(caplog: pytest.LogCaptureFixture) -> None:
    with Guard("It broke."):
        pass
    assert caplog.records == []
