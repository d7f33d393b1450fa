"""How soon a user's event is in the score that the API tells: alone, and while others come."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import datetime
from time import monotonic, sleep, time
from uuid import uuid4

import numpy as np
from confluent_kafka import Producer

from loopin_deploy.api_client import ApiClient
from loopin_producers.channel import producer_config
from tests.bench.bench import PARTITIONS, Bench
from tests.bench.figures import Figure
from tests.bench.jobs.open_loop import WARM_UP_S
from tests.bench.jobs.trouble import api_of
from tests.bench.live import Installation, LiveStack, installation
from tests.bench.messages import PROJECT
from tests.bench.paced_producer import AHEAD_S
from tests.bench.process import System, SystemFailed, this_python

RATE = 1_000
TRIALS = 100
USERS = 50
DAYS = 5
"""On which each user has been seen before: of newcomers nothing is predicted."""

DAY_MS = 86_400_000
POLL_S = 0.2
"""Between two looks: asking without a pause is a load of its own, of a core and more."""

TOLD_S = 60.0
BEGAN_S = 60.0
FLUSH_S = 30.0


def run(bench: Bench) -> None:
    """Both cases, one after the other in one installation."""
    for number in range(1, bench.runs + 1):
        figures = [
            Figure(job="scored", system="loopin", run=number, case=case)
            for case in ("nothing else", f"{RATE:,} events/s")
        ]
        with installation(bench, "scored", PARTITIONS) as place:
            try:
                _measure(place, figures)
            except SystemFailed as error:
                for figure in figures:
                    figure.wrong = str(error)
        for figure in figures:
            bench.add(figure)


def _measure(place: Installation, figures: list[Figure]) -> None:
    bench = place.bench
    trials = max(3, bench.scaled(TRIALS))
    with place.up() as live, ExitStack() as stack:
        api = api_of(place)
        _introduce(live, place)
        _note(figures[0], _trials(place, api, trials))
        events = int(RATE * (WARM_UP_S + trials * 2))
        argv = [
            "tests.bench.paced_producer",
            place.order.bootstrap,
            place.order.topic,
            str(RATE),
            str(events),
        ]
        log = bench.logs / f"{place.name}-producer.log"
        producer = stack.enter_context(System(argv, this_python(), log, bench.broker.tree))
        producer.wait_for("began", BEGAN_S)
        sleep(AHEAD_S + WARM_UP_S)
        _note(figures[1], _trials(place, api, trials))


def _note(figure: Figure, found: list[float]) -> None:
    figure.events = len(found)
    figure.more = {f"p{q}_ms": float(np.percentile(found, q)) for q in (50, 95, 99)} | {"max_ms": max(found)}


def _introduce(live: LiveStack, place: Installation) -> None:
    """Everybody was there on some days before."""
    now = int(time() * 1000)
    wanted = [(user, now - day * DAY_MS) for day in range(DAYS, 0, -1) for user in range(USERS)]
    producer = _producer(place)
    for user, at in wanted:
        _send(producer, place, user, at)
    producer.flush(FLUSH_S)
    live.wait_for(len(wanted))


def _trials(place: Installation, api: ApiClient, trials: int) -> list[float]:
    """ms from the call that sends an event to an answer whose score is of no earlier time."""
    producer = _producer(place)
    found = []
    for trial in range(trials):
        user = trial % USERS
        began = time() * 1000
        _send(producer, place, user, int(began))
        producer.poll(0)
        deadline = monotonic() + TOLD_S
        while _calculated_ms(api, user) < int(began):
            if monotonic() > deadline:
                raise SystemFailed(f"no score of user {user} after {TOLD_S:.0f} s")
            producer.poll(0)
            sleep(POLL_S)
        found.append(time() * 1000 - began)
    producer.flush(FLUSH_S)
    return found


def _calculated_ms(api: ApiClient, user: int) -> float:
    """When the score of churn was calculated that the API tells now; 0 where it knows none."""
    try:
        told = api.ask("POST", "/api/analytics/user-behavior", {"user_id": f"scored-{user}"})
    except RuntimeError:
        return 0.0
    at = [datetime.fromisoformat(score["calculated_at"]).timestamp() * 1000 for score in told["scores"]]
    return max(at, default=0.0)


def _producer(place: Installation) -> Producer:
    return Producer(producer_config(place.order.bootstrap, 1_000, {"log_level": 0}))


def _send(producer: Producer, place: Installation, user: int, at: int) -> None:
    body = {
        "uuid": str(uuid4()),
        "project": PROJECT,
        "event": "message_sent",
        "distinct_id": f"scored-{user}",
        "timestamp": at,
        "properties": {"length": 3},
    }
    producer.produce(place.order.topic, json.dumps(body).encode(), f"{PROJECT}:scored-{user}".encode())
