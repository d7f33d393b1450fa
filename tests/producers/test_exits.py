"""The end of a process: how long it waits for clients that were not shut down."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from loopin_producers import exits


class Ending:
    """A client with events queued; it notices that nobody can be reached, or delivers, while it flushes."""

    def __init__(self, *, down_after: int | None = None, delivered_after: int | None = None) -> None:
        self.flushes = 0
        self.down_after = down_after
        self.delivered_after = delivered_after
        self.timeouts: list[float] = []

    @property
    def is_down(self) -> bool:
        return self.down_after is not None and self.flushes >= self.down_after

    def flush(self, timeout: float) -> int:
        assert timeout <= exits.DOWN_TIMEOUT_S
        self.flushes += 1
        return int(self.delivered_after is None or self.flushes < self.delivered_after)

    def shutdown(self, timeout: float) -> int:
        self.timeouts.append(timeout)
        exits.closed(self)
        return 0

    def abandon_after_fork(self) -> None:
        pass


@pytest.fixture(autouse=True)
def others() -> Iterator[None]:
    """Clients of other tests are none of these."""
    kept = set(exits._open_clients)
    exits._open_clients.clear()
    yield
    exits._open_clients.update(kept)


@pytest.mark.parametrize("after", [0, 1, 3])
def test_end_of_a_short_program_does_not_wait_for_somebody_who_is_away(after: int) -> None:
    """What is refused only while the end waits shortens the wait."""
    client = Ending(down_after=after)
    exits.opened(client)
    exits.shut_down_all()
    assert client.flushes == after
    assert client.timeouts == [exits.DOWN_TIMEOUT_S]


def test_end_waits_for_what_is_on_its_way() -> None:
    client = Ending(delivered_after=5)
    exits.opened(client)
    exits.shut_down_all()
    assert client.flushes == 5
    (left,) = client.timeouts
    assert exits.DOWN_TIMEOUT_S < left <= exits.EXIT_TIMEOUT_S


def test_end_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exits, "EXIT_TIMEOUT_S", 0.001)
    client = Ending()
    exits.opened(client)
    exits.shut_down_all()
    assert len(client.timeouts) == 1
