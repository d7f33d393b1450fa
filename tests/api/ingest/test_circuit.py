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


def begun(circuit: Circuit) -> int:
    number = circuit.begin()
    assert number is not None
    return number


def deliver(circuit: Circuit, *acknowledged: bool) -> None:
    circuit.end(begun(circuit), acknowledged)


def probes(circuit: Circuit) -> list[bool]:
    """Which of the next three deliveries are tried."""
    return [circuit.begin() is not None for _ in range(3)]


def test_it_opens_with_a_failure_and_lets_one_probe_through_at_a_time() -> None:
    clock = Clock()
    circuit = patient(clock)
    assert circuit.admits()
    deliver(circuit, False)
    assert not circuit.admits()
    clock.now += PROBE_S
    assert probes(circuit) == [True, False, False]


def test_asking_whether_it_admits_uses_up_no_probe() -> None:
    clock, producer = Clock(), Producer()
    circuit = patient(clock, producer)
    deliver(circuit, False)
    clock.now += PROBE_S
    assert all(circuit.admits() for _ in range(3))
    deliver(circuit, True)
    producer.down = True
    assert all(circuit.admits() for _ in range(3))
    assert probes(circuit) == [True, False, False]


def test_a_request_admitted_before_it_opened_is_no_probe() -> None:
    circuit = patient(Clock())
    assert circuit.admits()
    deliver(circuit, False)
    assert circuit.begin() is None


def test_a_delivery_acknowledged_in_part_neither_closes_nor_opens_it() -> None:
    clock = Clock()
    circuit = patient(clock)
    deliver(circuit, True, False)
    assert circuit.admits()
    deliver(circuit, False, False)
    clock.now += PROBE_S
    deliver(circuit, True, False)
    assert not circuit.admits()


def test_it_closes_with_the_first_success() -> None:
    clock = Clock()
    circuit = patient(clock)
    deliver(circuit, False)
    clock.now += PROBE_S
    assert circuit.admits()
    deliver(circuit, True)
    assert all(circuit.admits() for _ in range(3))


def test_it_opens_while_the_oldest_delivery_takes_too_long() -> None:
    clock = Clock()
    circuit = patient(clock)
    slow = begun(circuit)
    clock.now += PATIENCE_S
    assert circuit.admits()
    clock.now += 0.1
    assert not circuit.admits()
    circuit.end(slow, [True])
    assert circuit.admits()


def test_a_delivery_that_nobody_waited_for_says_nothing() -> None:
    circuit = patient(Clock())
    deliver(circuit)
    assert circuit.admits()


def test_what_is_under_way_when_it_opens_is_hopeless_and_a_probe_is_not() -> None:
    clock = Clock()
    circuit = patient(clock)
    first, second = begun(circuit), begun(circuit)
    assert not circuit.hopeless(second)
    circuit.end(first, [False])
    assert circuit.hopeless(second)
    circuit.end(second, [False])
    clock.now += PROBE_S
    assert circuit.admits()
    assert not circuit.hopeless(begun(circuit))


def test_it_opens_at_once_when_the_producer_reaches_no_broker() -> None:
    producer = Producer()
    circuit = patient(Clock(), producer)
    waiting = begun(circuit)
    producer.down = True
    assert circuit.hopeless(waiting)
    circuit.end(waiting, [False])
    assert not circuit.admits()


def test_a_broker_that_went_while_nobody_asked_is_asked_once() -> None:
    clock, producer = Clock(), Producer()
    circuit = patient(clock, producer)
    producer.down = True
    probe = begun(circuit)
    assert not circuit.hopeless(probe)
    assert probes(circuit) == [False] * 3
    producer.down = False
    circuit.end(probe, [True])
    assert all(circuit.admits() for _ in range(3))
