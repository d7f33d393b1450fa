"""What events wait while something else goes wrong, beside what they wait before.

Events come at a given rate all the time. After half of it the trouble begins: the texts among them are judged
anew, run after run (the task ``rescore_sentiment``), with and without a language model's endpoint that takes
connections and never answers; records that are no models come on the topic ``models``; hostile events come
with the others. Latencies are taken as in ``open_loop.py``, and those of hostile events are not among them.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path
from time import monotonic, sleep, time
from typing import Final, NamedTuple
from unittest.mock import patch

from confluent_kafka import Producer

from loopin_deploy.api_client import ApiClient
from loopin_deploy.data_folder import DataFolder
from loopin_deploy.own_secrets import load_or_create_secrets
from loopin_deploy.stack_state import read_state
from loopin_producers.channel import producer_config
from loopin_schemas.topics import MODELS
from tests.bench.bad_input import FLOOD, HOSTILE, USER, corrupt_models
from tests.bench.bench import PARTITIONS, Bench
from tests.bench.figures import Figure
from tests.bench.inserts import LATENCIES
from tests.bench.jobs.open_loop import WARM_UP_S, percentiles, read
from tests.bench.live import Installation, installation
from tests.bench.messages import PROJECT, produce
from tests.bench.paced_producer import AHEAD_S, FLUSH_S, GIVE_UP_S
from tests.bench.process import System, SystemFailed, this_python

RATE = 1_000
SECONDS = 60
"""Of either half."""

LATELY_S = 5
"""Events of the last seconds of a half are not counted: they may be stored in the next."""

FLOOD_RATE = 100
"""Events a second of one user."""

HOSTILE_EVERY = 20
"""So many of them to one of the other hostile events."""

BEGAN_S = 60.0
RUN_S = 120.0
POLL_S = 0.2


class Made(NamedTuple):
    """How often something was done, and how many rows of the table ``events`` that makes."""

    times: int
    rows: int = 0


class Trouble(NamedTuple):
    """Something bad that goes on until a given time (epoch ms); ``hanging``: with an endpoint that hangs."""

    case: str
    make: Callable[[Installation, float], Made]
    hanging: bool = False


def run(bench: Bench) -> None:
    """All troubles, each in an installation of its own."""
    for number in range(1, bench.runs + 1):
        for trouble in TROUBLES:
            figures = [
                Figure(job="trouble", system="loopin", run=number, case=f"{trouble.case}: {half}")
                for half in ("before", "during")
            ]
            with hanging_endpoint() as (url, asked):
                configured = {"LOOPIN_OPENAI_BASE_URL": url, "LOOPIN_OPENAI_MODEL": "silent"}
                with (
                    patch.dict(os.environ, configured if trouble.hanging else {}),
                    installation(bench, "trouble", PARTITIONS) as place,
                ):
                    try:
                        times = _measure(place, trouble, figures)
                        if trouble.hanging:
                            times = len(asked)
                        if not times:
                            raise SystemFailed("there was no trouble")
                        figures[1].more["times"] = float(times)
                    except SystemFailed as error:
                        for figure in figures:
                            figure.wrong = str(error)
            for figure in figures:
                bench.add(figure)


def _measure(place: Installation, trouble: Trouble, figures: list[Figure]) -> int:
    bench = place.bench
    half_s = max(6.0 + LATELY_S, SECONDS * bench.scale)
    warm_up_s = WARM_UP_S * min(1.0, bench.scale)
    events = int(RATE * (2 * half_s + warm_up_s))
    argv = ["tests.bench.paced_producer", place.order.bootstrap, place.order.topic, str(RATE), str(events)]
    log = bench.logs / f"{place.name}-producer.log"
    with place.up() as live, System(argv, this_python(), log, bench.broker.tree) as producer:
        first_ms = producer.wait_for("began", BEGAN_S).what["scheduled_ms"]
        halves = (first_ms + warm_up_s * 1000, first_ms + (warm_up_s + half_s) * 1000)
        sleep(max(0.0, halves[1] / 1000 - time()))
        made = trouble.make(place, halves[1] + half_s * 1000)
        said = producer.wait_for("done", AHEAD_S + events / RATE + GIVE_UP_S + 2 * FLUSH_S).what
        live.wait_for(said["sent"] + made.rows)
    latencies = read(Path(place.order.folder) / LATENCIES)
    for figure, begin in zip(figures, halves, strict=True):
        end = begin + (half_s - LATELY_S) * 1000
        figure.events = int(RATE * (half_s - LATELY_S))
        figure.more = percentiles(latencies[latencies[:, 0] < end], begin)
    figures[1].more["rise_percent"] = 100 * (figures[1].more["p99_ms"] / figures[0].more["p99_ms"] - 1)
    return made.times


def _judge_texts(place: Installation, until_ms: float) -> Made:
    """Run after run."""
    api = api_of(place)
    times = 0
    while time() * 1000 < until_ms:
        _judge_all(api)
        times += 1
    return Made(times)


def _corrupt_models(place: Installation, until_ms: float) -> Made:
    """Every second."""
    producer = _producer(place)
    topic = place.order.prefix + MODELS.name
    times = 0
    for number in _paced(1, until_ms):
        for key, value in corrupt_models(number):
            produce(producer, topic, key, value, partition=0)
            times += 1
    _flush(producer)
    return Made(times)


def _hostile_events(place: Installation, until_ms: float) -> Made:
    """Many of one kind, and all others in turn, of one user."""
    producer = _producer(place)
    others = cycle(HOSTILE.values())
    times = rows = 0
    for number in _paced(FLOOD_RATE, until_ms):
        for each in (FLOOD, next(others)) if number % HOSTILE_EVERY == 0 else (FLOOD,):
            produce(producer, place.order.topic, f"{PROJECT}:{USER}".encode(), each.body)
            times += 1
            rows += each.stored
    _flush(producer)
    return Made(times, rows)


TROUBLES: Final = (
    Trouble("texts judged", _judge_texts),
    Trouble("texts judged, the endpoint hangs", _judge_texts, hanging=True),
    Trouble("corrupt models", _corrupt_models),
    Trouble("hostile events", _hostile_events),
)


def _paced(rate: float, until_ms: float) -> Iterator[int]:
    """Numbers from 0 on, so many a second."""
    began = time()
    for number in count():
        due = began + number / rate
        if due * 1000 >= until_ms:
            return
        sleep(max(0.0, due - time()))
        yield number


def _producer(place: Installation) -> Producer:
    return Producer(producer_config(place.order.bootstrap, 100_000, {"log_level": 0}))


def _flush(producer: Producer) -> None:
    if left := producer.flush(FLUSH_S):
        raise SystemFailed(f"{left} records were not taken by the broker")


def _judge_all(api: ApiClient) -> None:
    run = api.ask("POST", "/api/analytics/tasks/rescore_sentiment/run", {})
    deadline = monotonic() + RUN_S
    while run["state"] in ("requested", "running") and monotonic() < deadline:
        sleep(POLL_S)
        run = api.ask("GET", f"/api/analytics/task-runs/{run['id']}")
    if run["state"] != "done":
        raise SystemFailed(f"judging texts: {run['state']}")


def api_of(place: Installation) -> ApiClient:
    """A client of the API of a system that is up."""
    data = Path(place.order.folder) / "data"
    state = read_state(data)
    if state is None:
        raise SystemFailed("the system is not up")
    return ApiClient(
        state.api_url, load_or_create_secrets(DataFolder(data).secrets, (PROJECT,)).personal_key(PROJECT)
    )


@contextmanager
def hanging_endpoint() -> Iterator[tuple[str, list[socket.socket]]]:
    """An address that takes connections and says nothing; and those that it has taken."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1", taken
        server.shutdown(socket.SHUT_RDWR)
    for connection in taken:
        connection.close()
