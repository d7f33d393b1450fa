"""Where the armed signal meets a process."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.probed import OpenInsert, Probe
from tests.faults.processes import wait_until


@pytest.fixture
def met() -> Iterator[list[int]]:
    """The signals that this process has got."""
    found: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: found.append(number))
    yield found
    signal.signal(signal.SIGUSR1, before)


@pytest.fixture
def armed(tmp_path: Path) -> Path:
    return tmp_path / "armed"


def test_a_signal_is_sent_once_at_its_passing(armed: Path, met: list[int]) -> None:
    armed.write_text("sent:events.enriched 2 SIGUSR1")
    probe = Probe(armed, "loopin.")

    for point in ("consumed", "sent:loopin.events.enriched", "consumed"):
        probe(point)
    assert met == []
    probe("sent:loopin.events.enriched")
    probe("sent:loopin.events.enriched")

    assert met == [signal.SIGUSR1]
    assert not armed.exists()


def test_a_signal_meets_an_insert_that_is_under_way(armed: Path, met: list[int]) -> None:
    armed.write_text("inserting 1 SIGUSR1")

    insert = OpenInsert(Probe(armed), 0.001)
    wait_until(lambda: met, "the signal has come", 5)
    insert.returned()

    assert not armed.exists()


def test_an_insert_that_has_returned_leaves_the_signal_to_the_next(armed: Path, met: list[int]) -> None:
    armed.write_text("inserting 2 SIGUSR1")
    probe = Probe(armed)

    for _ in range(2):
        OpenInsert(probe, 0.05).returned()
    # Not a wait for a condition: the moment at which the signal would have come.
    time.sleep(0.1)
    assert (met, armed.read_text()) == ([], "inserting 1 SIGUSR1")

    OpenInsert(probe, 0.001)
    wait_until(lambda: met, "the signal has come", 5)
