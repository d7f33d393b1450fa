"""Where the armed signal meets a process."""

from __future__ import annotations

import signal
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
    wait_until(lambda: met, "the signal has come", 60)
    insert.returned()

    assert not armed.exists()


def test_an_insert_that_has_returned_leaves_the_signal_to_the_next(armed: Path, met: list[int]) -> None:
    armed.write_text("inserting 2 SIGUSR1")
    probe = Probe(armed)

    # So much later that each insert returns before, however busy the machine is.
    OpenInsert(probe, 600).returned()
    insert = OpenInsert(probe, 600)
    insert.returned()
    wait_until(lambda: not insert._timer.is_alive(), "its timer has been stopped", 60)
    # Nor does it come where the timer went off just before.
    insert._meet()
    assert (met, armed.read_text()) == ([], "inserting 1 SIGUSR1")

    OpenInsert(probe, 0.001)
    wait_until(lambda: met, "the signal has come", 60)
