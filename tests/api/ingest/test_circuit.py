from __future__ import annotations

from loopin_api.ingest.circuit import PROBE_S, Circuit

PATIENCE_S = 3.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Producer:
    """Knows whether a broker can be reached."""

    down = False


def patient(clock: Clock, producer: Producer | None = None) -> Circuit:
    known = producer or Producer()
    return Circuit(lambda: PATIENCE_S, lambda: known.down, clock)


def test_it_opens_with_a_failure_and_lets_one_probe_through_at_a_time() -> None:
    clock = Clock()
    circuit = patient(clock)
    assert circuit.admits()
    circuit.end(circuit.begin(), acknowledged=False)
    assert not circuit.admits()
    clock.now += PROBE_S
    assert [circuit.admits() for _ in range(3)] == [True, False, False]


def test_it_closes_with_the_first_success() -> None:
    clock = Clock()
    circuit = patient(clock)
    circuit.end(circuit.begin(), acknowledged=False)
    clock.now += PROBE_S
    assert circuit.admits()
    circuit.end(circuit.begin(), acknowledged=True)
    assert all(circuit.admits() for _ in range(3))


def test_it_opens_while_the_oldest_delivery_takes_too_long() -> None:
    clock = Clock()
    circuit = patient(clock)
    slow = circuit.begin()
    clock.now += PATIENCE_S
    assert circuit.admits()
    clock.now += 0.1
    assert not circuit.admits()
    circuit.end(slow, acknowledged=True)
    assert circuit.admits()


def test_a_delivery_that_nobody_waited_for_says_nothing() -> None:
    circuit = patient(Clock())
    circuit.end(circuit.begin(), acknowledged=None)
    assert circuit.admits()


def test_what_is_under_way_when_it_opens_is_hopeless_and_a_probe_is_not() -> None:
    clock = Clock()
    circuit = patient(clock)
    first, second = circuit.begin(), circuit.begin()
    assert not circuit.hopeless(second)
    circuit.end(first, acknowledged=False)
    assert circuit.hopeless(second)
    circuit.end(second, acknowledged=False)
    clock.now += PROBE_S
    assert circuit.admits()
    assert not circuit.hopeless(circuit.begin())


def test_it_opens_at_once_when_the_producer_reaches_no_broker() -> None:
    producer = Producer()
    circuit = patient(Clock(), producer)
    waiting = circuit.begin()
    producer.down = True
    assert circuit.hopeless(waiting)
    circuit.end(waiting, acknowledged=False)
    assert not circuit.admits()


def test_a_broker_that_went_while_nobody_asked_is_asked_once() -> None:
    clock, producer = Clock(), Producer()
    circuit = patient(clock, producer)
    producer.down = True
    assert [circuit.admits() for _ in range(3)] == [True, False, False]
    probe = circuit.begin()
    assert not circuit.hopeless(probe)
    producer.down = False
    circuit.end(probe, acknowledged=True)
    assert all(circuit.admits() for _ in range(3))
