from __future__ import annotations

import os
import threading

import pytest

from loopin_deploy.lifeline import LIFELINE_FD, exit_with_parent, same_process, started_at


def test_the_end_of_the_pipe_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setenv(LIFELINE_FD, str(reading))
    left = threading.Event()

    exit_with_parent(left.set)

    assert LIFELINE_FD not in os.environ, "a child of this process would wait for the wrong parent"
    assert not left.is_set()
    os.close(writing)
    assert left.wait(5)
    os.close(reading)


def test_without_a_supervisor_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LIFELINE_FD, raising=False)
    threads = threading.active_count()

    exit_with_parent()

    assert threading.active_count() == threads


def test_a_process_is_known_by_its_number_and_its_start() -> None:
    start = started_at(os.getpid())

    assert start is not None
    assert same_process(os.getpid(), start)
    assert not same_process(os.getpid(), start - 60)


def test_a_number_nobody_has_is_no_process() -> None:
    beyond_every_pid = 2**22 + 1

    assert started_at(beyond_every_pid) is None
    assert not same_process(beyond_every_pid, 0.0)
