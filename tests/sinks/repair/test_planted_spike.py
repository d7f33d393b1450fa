"""A world of the simulator in which payments begin to fail: who is told, and when it is over."""

from __future__ import annotations

import json
from itertools import groupby

import pytest

from tests.producers.simulator.worlds import Made, live_through, parameters
from tests.sinks.repair.stream import Stream
from tests.uncounted import uncounted

HOUR_MS = 3_600_000
STEP_MS = 60_000

OF_ITSELF = ("payment_succeeded", "payment_failed")
"""What the rule is about: the rest of the world makes the test slow and nothing else."""


def lived() -> Made:
    """Four days of 9,000 users, six payments an hour; for eleven hours of the third nearly half fail."""
    with uncounted():
        return live_through(parameters(users=9000, days=4, seed=518))


@pytest.mark.scenario
def test_it_is_a_warning_once_critical_once_and_over_once() -> None:
    made = lived()
    start_ms = made.parameters.start_ms
    planted = made.world.anomalies.of_block(0)
    assert planted.kind.name == "payment_failures"
    begin, end = ((at - start_ms) / HOUR_MS for at in (planted.start_ms, planted.end_ms))
    payments = [
        (event["timestamp"], f"demo:{event['distinct_id']}".encode(), body)
        for event, body in zip(made.events, made.bodies, strict=True)
        if event["event"] in OF_ITSELF
    ]
    stream = Stream()
    by_step = {at: list(found) for at, found in groupby(payments, key=lambda one: one[0] // STEP_MS)}
    told: list[tuple[str, str, float]] = []
    for step in range(start_ms // STEP_MS, made.end_ms // STEP_MS):
        for at, key, body in by_step.get(step, []):
            stream.send([(key, body)], at)
        stream.quiet((step + 1) * STEP_MS)
        told += [
            (alert.event, alert.severity, ((step + 1) * STEP_MS - start_ms) / HOUR_MS)
            for alert in stream.alerts
            if alert.rule == "payment_failure_rate"
        ]
        stream.alerts.clear()
    assert [(event, severity) for event, severity, _ in told] == [
        ("fired", "warning"),
        ("worse", "critical"),
        ("resolved", "critical"),
    ]
    (_, _, fired), (_, _, worse), (_, _, over) = told
    assert begin < fired < worse < end
    # Little happens in this world: the last six hours are judged, and they must be without it.
    assert end < over < end + 6
    failures = [json.loads(body)["event"] == "payment_failed" for _, _, body in payments]
    assert 0 < sum(failures) / len(failures) < 0.2
