from __future__ import annotations

from loopin_api.ingest.circuit import PATIENCE_S, PROBE_S, Circuit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_opens_with_a_failure_and_lets_one_probe_through_at_a_time() -> None:
    clock = Clock()
    circuit = Circuit(clock)
    assert circuit.admits()
    circuit.end(circuit.begin(), acknowledged=False)
    assert not circuit.admits()
    clock.now += PROBE_S
    assert [circuit.admits() for _ in range(3)] == [True, False, False]


def test_it_closes_with_the_first_success() -> None:
    clock = Clock()
    circuit = Circuit(clock)
    circuit.end(circuit.begin(), acknowledged=False)
    clock.now += PROBE_S
    assert circuit.admits()
    circuit.end(circuit.begin(), acknowledged=True)
    assert all(circuit.admits() for _ in range(3))


def test_it_opens_while_the_oldest_delivery_takes_too_long() -> None:
    clock = Clock()
    circuit = Circuit(clock)
    slow = circuit.begin()
    clock.now += PATIENCE_S
    assert circuit.admits()
    clock.now += 0.1
    assert not circuit.admits()
    circuit.end(slow, acknowledged=True)
    assert circuit.admits()


def test_a_delivery_that_nobody_waited_for_says_nothing() -> None:
    circuit = Circuit(Clock())
    circuit.end(circuit.begin(), acknowledged=None)
    assert circuit.admits()
