"""Which deaths of a process are planned."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults import processes
from tests.faults.processes import Process, wait_until

SLEEPS = "import time; print('up', flush=True); time.sleep(60)"
STOPS = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); "
KILLED = -signal.SIGKILL


@contextmanager
def running(folder: Path, program: str) -> Iterator[Process]:
    process = Process("process", [sys.executable, "-c", program], {}, folder / "log", "http://127.0.0.1:1/")
    try:
        yield process
    finally:
        process.stop()


def wait_up(process: Process, times: int) -> None:
    wait_until(lambda: process.said().count("up") == times, "it is up", 60)


def test_each_kill_meets_a_process(tmp_path: Path) -> None:
    with running(tmp_path, STOPS + SLEEPS) as process:
        # The second one comes when the first one's successor does not run yet.
        process.kill()
        process.kill()
        wait_until(lambda: len(process.deaths) == 2, "both are known", 60)

    assert process.deaths[:2] == [KILLED] * 2
    assert not process.unplanned[KILLED]


def test_a_held_process_has_no_successor(tmp_path: Path) -> None:
    with running(tmp_path, STOPS + SLEEPS) as process:
        wait_up(process, 1)
        process.hold()
        pid = process.pid
        process.resume()
        wait_up(process, 2)
        assert process.pid != pid

    assert not process.unplanned


def test_a_restart_is_an_end_in_order(tmp_path: Path) -> None:
    with running(tmp_path, STOPS + SLEEPS) as process:
        wait_up(process, 1)
        process.restart()
        wait_up(process, 2)

    assert process.deaths == [0, 0]
    assert not process.unplanned


@pytest.mark.parametrize("code", [0, 1, 70])
def test_an_end_by_itself_is_not_planned(tmp_path: Path, code: int) -> None:
    with running(tmp_path, f"raise SystemExit({code})") as process:
        wait_until(lambda: process.deaths, "it has ended", 60)

    assert process.unplanned[code] >= 1


def test_neither_is_an_end_by_a_signal_that_is_not_handled(tmp_path: Path) -> None:
    with running(tmp_path, SLEEPS) as process:
        wait_up(process, 1)

    assert process.unplanned == {-signal.SIGTERM: 1}


def test_neither_is_the_end_of_one_that_does_not_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ignores = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    with running(tmp_path, ignores + SLEEPS) as process:
        monkeypatch.setattr(processes, "STOP_S", 0.5)
        wait_up(process, 1)

    assert process.unplanned == {KILLED: 1}
