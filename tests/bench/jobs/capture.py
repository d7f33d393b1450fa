"""What ``capture()`` of the client SDK costs its caller's thread, and what kill -9 of the process loses."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

import msgspec
from confluent_kafka import Consumer, TopicPartition

from loopin_deploy.ports import free_port
from loopin_producers.spool import Spool
from tests.bench.bench import PARTITIONS, Bench
from tests.bench.figures import Figure
from tests.bench.live import Installation, installation
from tests.bench.process import System, SystemFailed, this_python
from tests.bench.timed_capture import RATE
from tests.producers.ingest_server import ingest_server

CAPTURES = 20_000
SAY_S = 120.0
ENDED_S = 60.0
NOBODY = "127.0.0.1:1"
"""No broker listens on port 1."""


@dataclass(frozen=True)
class Case:
    """A client and what it meets: the broker at ``bootstrap``, or at a port that opens after a while."""

    name: str
    bootstrap: str | None
    options: dict[str, Any]
    kill: bool = False


def cases(up: str) -> tuple[Case, ...]:
    """Every case, with the broker at ``up``."""
    return (
        Case("broker up", up, {}),
        Case("broker down", NOBODY, {}),
        Case("broker coming back", None, {}),
        Case("durable, broker up", up, {"durable": True}),
        Case("durable, broker down", NOBODY, {"durable": True}),
        Case("HTTP, API up", None, {"api_key": "bench"}),
        Case("kill -9, broker up", up, {}, kill=True),
        Case("kill -9, broker down", NOBODY, {}, kill=True),
        Case("kill -9, durable, broker up", up, {"durable": True}, kill=True),
        Case("kill -9, durable, broker down", NOBODY, {"durable": True}, kill=True),
    )


def run(bench: Bench) -> None:
    """All cases."""
    for run_number in range(1, bench.runs + 1):
        for case in cases(bench.broker.bootstrap):
            with installation(bench, "capture", PARTITIONS) as place, TemporaryDirectory() as spool:
                figure = Figure(job="capture", system="loopin", run=run_number, case=case.name)
                figure.events = bench.scaled(CAPTURES)
                try:
                    _measure(bench, case, place, Path(spool), figure)
                except SystemFailed as error:
                    figure.wrong = str(error)
                bench.add(figure)


def _measure(bench: Bench, case: Case, place: Installation, spool: Path, figure: Figure) -> None:
    with _reached(case, bench.broker.bootstrap, figure.events / RATE / 3) as where:
        options = {**case.options, **where, "topic_prefix": place.order.prefix, "spool_dir": str(spool)}
        argv = ["tests.bench.timed_capture", str(figure.events), msgspec.json.encode(options).decode()]
        log = bench.logs / f"capture-{figure.run}.log"
        with System(
            [*argv, *(["KILL"] if case.kill else [])], this_python(), log, bench.broker.tree
        ) as client:
            client.wait_for("ready", SAY_S)
            if case.kill:
                client.wait_for_end(figure.events / RATE + ENDED_S)
                figure.more = {"lost": figure.events - _kept(place, spool)}
                return
            done = client.wait_for("done", SAY_S).what
            figure.more = done["more"]
            figure.rss_mb = client.tree.peak_rss_mb
            if done["dropped"]:
                figure.wrong = f"{done['dropped']} events dropped"


def _reached(case: Case, up: str, after_s: float) -> AbstractContextManager[dict[str, Any]]:
    """How the client reaches what the case says, while the block runs."""
    if "api_key" in case.options:
        return _api()
    if case.bootstrap is None:
        return _opening(up, after_s)
    return nullcontext({"bootstrap_servers": case.bootstrap})


@contextmanager
def _api() -> Iterator[dict[str, Any]]:
    with ingest_server() as server:
        yield {"url": server.url}


@contextmanager
def _opening(up: str, after_s: float) -> Iterator[dict[str, Any]]:
    """A bootstrap address where nobody listens for ``after_s`` (s); it then leads to the broker at ``up``."""
    port = free_port()
    end = threading.Event()
    thread = threading.Thread(target=_forward, args=(port, up, after_s, end))
    thread.start()
    try:
        yield {"bootstrap_servers": f"127.0.0.1:{port}"}
    finally:
        end.set()
        thread.join()


def _forward(port: int, up: str, after_s: float, end: threading.Event) -> None:
    if end.wait(after_s):
        return
    host, _, number = up.partition(":")
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(0.1)
        while not end.is_set():
            try:
                near, _ = server.accept()
            except TimeoutError:
                continue
            far = socket.create_connection((host, int(number)))
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with source, target:
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
        except OSError:
            return


def _kept(place: Installation, spool: Path) -> int:
    """Events that the broker has, or that wait on disk for the next client: each once."""
    return len(_on_topic(place) | _on_disk(spool))


def _on_topic(place: Installation) -> set[str]:
    consumer = Consumer({"bootstrap.servers": place.order.bootstrap, "group.id": "bench"})
    found: set[str] = set()
    partitions = [TopicPartition(place.order.topic, number, 0) for number in range(PARTITIONS)]
    ends = sum(consumer.get_watermark_offsets(partition)[1] for partition in partitions)
    consumer.assign(partitions)
    read, deadline = 0, monotonic() + ENDED_S
    while read < ends and monotonic() < deadline:
        for record in consumer.consume(10_000, 0.2):
            found.add(msgspec.json.decode(record.value() or b"")["uuid"])
            read += 1
    consumer.close()
    return found


def _on_disk(spool: Path) -> set[str]:
    found: set[str] = set()
    for folder in spool.iterdir():
        heir = Spool(folder)
        while not heir.adopt() and any(folder.glob("*/*.events")):
            sleep(0.01)  # the kernel has not let go of the killed process's lock yet
        while (chunk := heir.next_chunk(1000)) is not None:
            found.update(record.uuid for record in chunk.records)
            heir.done(chunk)
        heir.close()
    return found
