"""A value that is made once, whoever asks first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from loopin_text.once import once


def test_threads_that_ask_together_get_the_same_one() -> None:
    made: list[object] = []
    another = Event()

    @once
    def value() -> object:
        made.append(object())
        if len(made) > 1:
            another.set()
        # Nothing tells that nobody else comes in: there is time for it.
        another.wait(0.5)
        return made[-1]

    together = Barrier(3)

    def ask() -> object:
        together.wait(60)
        return value()

    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(ask) for _ in range(3)]
        assert {found.result(60) for found in asked} == set(made)
    assert len(made) == 1
    assert value() is made[0]


def test_where_it_fails_the_next_call_tries_again() -> None:
    tries: list[str] = []

    @once
    def value() -> str:
        tries.append("one")
        if len(tries) == 1:
            raise ValueError("not yet")
        return "there"

    with pytest.raises(ValueError, match="not yet"):
        value()
    assert [value(), value()] == ["there", "there"]
    assert len(tries) == 2
