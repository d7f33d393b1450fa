"""This project's real processes as a system under test: ``loopin up`` on the bench's broker.

Run as ``python -m tests.bench.stack ORDER WORKERS`` it says ``ready`` when the worker begins to connect,
``first`` when a partition is opened and ``up`` when all are, with the numbers of the processes, and stays.

The processes are those that ``running_stack`` starts, with one change: the store notes its inserts
(``recorded_store.py``). What is measured is the whole tree: supervisor, worker and store, with its API.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from unittest.mock import patch

import msgspec
import psutil

from loopin_deploy import stack
from loopin_deploy.child import Child
from loopin_deploy.data_folder import open_data_folder
from loopin_deploy.stack import Plan, Ports, Stack, running_stack
from loopin_deploy.supervisor import Supervisor, cancelled_by_sigterm
from tests.bench.inserts import FOLDER_SETTING, Inserted
from tests.bench.messages import PROJECT, closing_messages
from tests.bench.subject import Order, end_with_the_bench, say

_ROLE = stack._role

POLL_S = 0.02
QUIET_S = 6.0
"""Without an insert for so long, everything has come: metric windows are stored every 2 s."""


@dataclass
class Opened:
    """When the worker began to connect, and opened its partitions; seconds of the monotonic clock.

    ``cpu_s`` holds what each process had spent by then: its imports, and the store's migrations.
    """

    started: float = 0.0
    cpu_s: dict[int, float] = field(default_factory=dict)
    partitions: list[float] = field(default_factory=list)
    workers: set[str] = field(default_factory=set)

    def hear(self, name: str, line: str) -> None:
        """Take in one line of a process's log."""
        print(f"{name} {line}", file=sys.stderr)
        if name == "trainer" and "worker_started" in line:
            # It starts last, and has imported more than the others.
            children = psutil.Process().children()
            self.cpu_s |= {child.pid: _cpu_s(child) for child in children if child.pid not in self.cpu_s}
        if name.startswith("stream"):
            if "worker_started" in line and not self.started:
                self.started = monotonic()
                self.cpu_s = {child.pid: _cpu_s(child) for child in psutil.Process().children()}
                say("ready")
            if "partition_open" in line and '"enrich"' in line:
                if not self.partitions:
                    say("first")
                self.partitions.append(monotonic())
                self.workers.add(name)


@asynccontextmanager
async def recorded_stack(
    order: Order, workers: int, opened: Opened
) -> AsyncIterator[tuple[Stack, Supervisor]]:
    """The processes, on topics after ``order.prefix``; workers beyond the first have another supervisor."""
    os.environ |= {
        "LOOPIN_KAFKA_BOOTSTRAP": order.bootstrap,
        "LOOPIN_TOPIC_PREFIX": order.prefix,
        "LOOPIN_HOST_METRICS_INTERVAL_S": "0",
        "LOOPIN_PARTITIONS": str(order.partitions),
        "LOOPIN_CURRENCY": "EUR",
        FOLDER_SETTING: order.folder,
    }
    more = [
        Child(
            f"stream-{number}",
            [sys.executable, "-m", "loopin_deploy", "run", "stream"],
            env={"LOOPIN_HEALTH_PORT": "0", "LOOPIN_DATA_DIR": f"{order.folder}/worker-{number}"},
        )
        for number in range(2, workers + 1)
    ]
    with patch.object(stack, "_role", _role), open_data_folder(Path(order.folder) / "data") as folder:
        plan = Plan(folder, Ports(0, 0, 0), (PROJECT,))
        async with (
            running_stack(plan, on_line=opened.hear, on_notice=_notice) as running,
            Supervisor(more, folder.logs, on_line=opened.hear, on_notice=_notice) as others,
        ):
            yield running, others


def run_stack(order: Order) -> None:
    """J2: until all events are stored, then until nothing more comes."""
    asyncio.run(_whole(order))


async def _whole(order: Order) -> None:
    opened, inserted = Opened(), Inserted(Path(order.folder))
    with cancelled_by_sigterm():
        async with recorded_stack(order, 1, opened) as (running, _):
            roles = {name: psutil.Process(pid) for name, pid in running.supervisor.pids.items()}
            await _stored(inserted, order.kept)
            more = {}
            for name, role in roles.items():
                more[f"{name}_cpu_us"] = (_cpu_s(role) - opened.cpu_s.get(role.pid, 0.0)) / order.events * 1e6
                more[f"{name}_rss_mb"] = role.memory_info().rss / 1e6
            say("done", more=more)
            await _stored(inserted, order.kept + len(closing_messages(0, order.partitions, 0)))
            await _quiet(inserted)
            say("settled")
            await asyncio.Event().wait()


async def _stay(order: Order, workers: int) -> None:
    opened = Opened()
    with cancelled_by_sigterm():
        async with recorded_stack(order, workers, opened) as (running, more):
            # The processes' log is all that tells.
            while len(opened.partitions) < order.partitions or len(opened.workers) < workers:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
            restore_s = opened.partitions[order.partitions - 1] - opened.started
            say("up", pids={**running.supervisor.pids, **more.pids}, restore_s=restore_s)
            await asyncio.Event().wait()


async def _stored(inserted: Inserted, rows: int) -> None:
    # Another process writes the file: there is no event to wait for.
    while inserted.rows < rows:
        await asyncio.sleep(POLL_S)
        inserted.look()


async def _quiet(inserted: Inserted) -> None:
    since = monotonic()
    while monotonic() - since < QUIET_S:
        await asyncio.sleep(POLL_S)
        if inserted.look():
            since = monotonic()


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _role(name: str, environment: dict[str, str], url: str) -> Child:
    """As ``running_stack`` makes it, but for the store's notes."""
    child = _ROLE(name, environment, url)
    noting = [sys.executable, "-m", "tests.bench.recorded_store"]
    return replace(child, argv=noting) if name == "store" else child


def _notice(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    end_with_the_bench()
    asyncio.run(_stay(msgspec.json.decode(sys.argv[1], type=Order), int(sys.argv[2])))
