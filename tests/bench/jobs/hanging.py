"""A language model's endpoint that hangs: what events wait before it is asked, and while it is.

Events come at a given rate all the time. After half of it, the texts among them are judged anew, run after
run (the task ``rescore_sentiment``); the endpoint takes connections and never answers. Latencies are taken as
in ``open_loop.py``.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep, time
from unittest.mock import patch

from loopin_deploy.api_client import ApiClient
from loopin_deploy.data_folder import DataFolder
from loopin_deploy.own_secrets import load_or_create_secrets
from loopin_deploy.stack_state import read_state
from tests.bench.bench import PARTITIONS, Bench
from tests.bench.figures import Figure
from tests.bench.inserts import LATENCIES
from tests.bench.jobs.open_loop import WARM_UP_S, percentiles, read
from tests.bench.live import Installation, installation
from tests.bench.messages import PROJECT
from tests.bench.paced_producer import AHEAD_S, FLUSH_S, GIVE_UP_S
from tests.bench.process import System, SystemFailed, this_python

RATE = 1_000
SECONDS = 60
"""Of either half."""

LATELY_S = 5
"""Events of the last seconds of a half are not counted: they may be stored in the next."""

BEGAN_S = 60.0
RUN_S = 120.0
POLL_S = 0.2


def run(bench: Bench) -> None:
    """Without an endpoint, and with one that hangs."""
    for number in range(1, bench.runs + 1):
        with hanging_endpoint() as (url, asked):
            configured = {"LOOPIN_OPENAI_BASE_URL": url, "LOOPIN_OPENAI_MODEL": "silent"}
            for endpoint, settings in (("none", {}), ("hangs", configured)):
                figures = [
                    Figure(job="hanging", system="loopin", run=number, case=f"endpoint {endpoint}, {half}")
                    for half in ("no text judged", "texts judged")
                ]
                with patch.dict(os.environ, settings), installation(bench, "hanging", PARTITIONS) as place:
                    try:
                        _measure(place, figures)
                        if settings and not asked:
                            raise SystemFailed("the endpoint was never asked")
                    except SystemFailed as error:
                        for figure in figures:
                            figure.wrong = str(error)
                figures[1].more["asked"] = float(len(asked))
                for figure in figures:
                    bench.add(figure)


def _measure(place: Installation, figures: list[Figure]) -> None:
    bench = place.bench
    half_s = max(6.0 + LATELY_S, SECONDS * bench.scale)
    warm_up_s = WARM_UP_S * min(1.0, bench.scale)
    events = int(RATE * (2 * half_s + warm_up_s))
    argv = ["tests.bench.paced_producer", place.order.bootstrap, place.order.topic, str(RATE), str(events)]
    log = bench.logs / f"{place.name}-producer.log"
    with place.up() as live, System(argv, this_python(), log, bench.broker.tree) as producer:
        api = api_of(place)
        first_ms = producer.wait_for("began", BEGAN_S).what["scheduled_ms"]
        halves = (first_ms + warm_up_s * 1000, first_ms + (warm_up_s + half_s) * 1000)
        sleep(max(0.0, halves[1] / 1000 - time()))
        ended_ms = halves[1] + half_s * 1000
        while time() * 1000 < ended_ms:
            _judge_texts(api)
        said = producer.wait_for("done", AHEAD_S + events / RATE + GIVE_UP_S + 2 * FLUSH_S).what
        live.wait_for(said["sent"])
    latencies = read(Path(place.order.folder) / LATENCIES)
    for figure, begin in zip(figures, halves, strict=True):
        end = begin + (half_s - LATELY_S) * 1000
        figure.events = int(RATE * (half_s - LATELY_S))
        figure.more = percentiles(latencies[latencies[:, 0] < end], begin)
    figures[1].more["rise_percent"] = 100 * (figures[1].more["p99_ms"] / figures[0].more["p99_ms"] - 1)


def _judge_texts(api: ApiClient) -> None:
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
