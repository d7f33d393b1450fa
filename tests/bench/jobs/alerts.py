"""How long an alert takes: from the broker's append of the event that passes a limit to that of the alert.

Each trial is a project of its own, whose twentieth payment within a minute is the fifth that fails: until
then there are too few, so that one event, and no other, passes the limit of ``payment_failure_rate``. Both
times are the broker's own, so no clock is compared with another. Beside the trials, as many other events come
as the case says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from time import monotonic, time
from typing import Final
from uuid import uuid4

import numpy as np
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from loopin_producers.channel import producer_config
from loopin_schemas.topics import ALERTS, event_key
from tests.bench.bench import PARTITIONS, Bench
from tests.bench.figures import Figure
from tests.bench.live import Installation, installation
from tests.bench.paced_producer import AHEAD_S, FLUSH_S, GIVE_UP_S
from tests.bench.process import System, SystemFailed, this_python

RATE: Final = 2_000
TRIALS: Final = 1_000
TRIALS_PER_S: Final = 10
RULE: Final = "payment_failure_rate"
PAYMENTS: Final = 20
FAILED: Final = 5
BEGAN_S: Final = 60.0
LAST_S: Final = 60.0
"""How long the last alerts are waited for."""


def run(bench: Bench) -> None:
    """The one case."""
    for run_number in range(1, bench.runs + 1):
        figure = Figure(job="alerts", system="loopin", run=run_number, case=f"{RATE:,} events/s")
        with installation(bench, "alerts", PARTITIONS) as place:
            try:
                _measure(place, figure)
            except SystemFailed as error:
                figure.wrong = str(error)
        bench.add(figure)


def _measure(place: Installation, figure: Figure) -> None:
    bench, order = place.bench, place.order
    trials = max(20, int(TRIALS * bench.scale))
    events = int(RATE * trials / TRIALS_PER_S)
    argv = ["tests.bench.paced_producer", order.bootstrap, order.topic, str(RATE), str(events)]
    log = bench.logs / f"{place.name}-producer.log"
    with place.up() as live, System(argv, this_python(), log, bench.broker.tree) as producer:
        producer.wait_for("began", BEGAN_S)
        crossed = _Trials(order.bootstrap, order.topic).run(trials)
        producer.wait_for("done", AHEAD_S + events / RATE + GIVE_UP_S + 2 * FLUSH_S)
        alerted = fired(order.bootstrap, order.prefix + ALERTS.name, trials)
        figure.rss_mb = live.tree.peak_rss_mb
    figure.events = events + trials * PAYMENTS
    figure.wrong = wrong(crossed, alerted)
    if not figure.wrong:
        took = np.array([alerted[project][0] - at for project, at in crossed.items()])
        figure.more = {f"p{q:g}_ms": float(np.percentile(took, q)) for q in (50.0, 95.0, 99.0)}
        figure.more |= {"max_ms": float(took.max()), "trials": float(trials)}


def wrong(crossed: dict[str, int], alerted: dict[str, list[int]]) -> str:
    """What is missing or told twice; "" for nothing."""
    missing, twice = crossed.keys() - alerted.keys(), [p for p, found in alerted.items() if len(found) > 1]
    if missing or twice:
        return f"of {len(crossed)} alerts, {len(missing)} are missing and {len(twice)} fired twice"
    return ""


class _Trials:
    """Publishes the trials at even distances."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._producer = Producer(producer_config(bootstrap, 100_000, {"log_level": 0, "linger.ms": 0}))
        self._topic = topic
        self._crossed: dict[str, int] = {}

    def run(self, trials: int) -> dict[str, int]:
        """When the broker appended the event that passes the limit, epoch ms, by project."""
        began = monotonic()
        for trial in range(trials):
            while monotonic() < began + trial / TRIALS_PER_S:
                self._producer.poll(0.005)
            project = f"trial-{trial:04d}"
            for key, body, last in _payments(project):
                self._producer.produce(
                    self._topic, body, key, on_delivery=self._noting(project) if last else None
                )
        if self._producer.flush(FLUSH_S):
            raise SystemFailed("the broker did not take the trials' events")
        return self._crossed

    def _noting(self, project: str) -> Callable[[KafkaError | None, Message], None]:
        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                self._crossed[project] = message.timestamp()[1]

        return delivered


def _payments(project: str) -> Iterator[tuple[bytes, bytes, bool]]:
    now = int(time() * 1000)
    for number in range(PAYMENTS):
        last = number == PAYMENTS - 1
        failed = number < FAILED - 1 or last
        event = {
            "uuid": str(uuid4()),
            "project": project,
            "event": "payment_failed" if failed else "payment_succeeded",
            # One user, so that they come in this order.
            "distinct_id": "u1",
            "timestamp": now,
            "properties": {"amount": 10, "currency": "EUR"},
        }
        yield event_key(project, "u1"), json.dumps(event).encode(), last


def fired(bootstrap: str, topic: str, trials: int) -> dict[str, list[int]]:
    """When the broker appended the alerts that fired, epoch ms, by project."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: dict[str, list[int]] = {}
    deadline = monotonic() + LAST_S
    try:
        while len(found) < trials and monotonic() < deadline:
            for message in consumer.consume(1000, 0.2):
                alert = json.loads(message.value() or b"{}")
                if message.error() is None and alert["rule"] == RULE and alert["event"] == "fired":
                    found.setdefault(alert["project"], []).append(message.timestamp()[1])
    finally:
        consumer.close()
    return found
