"""Windows that the workers have left behind come right too: they are recomputed from the events."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from loopin_deploy.ports import free_port
from tests.clickhouse import PASSWORD, USER
from tests.deploy.command_line import clean_environment
from tests.faults.compare import compare_windows
from tests.faults.findings import stored_windows
from tests.faults.load import partition_of
from tests.faults.oracle import Measures, WindowKey
from tests.faults.stored import ServerRows
from tests.streams.conftest import Run, Scenario
from tests.streams.installation import Installation, wait_until
from tests.streams.rebuild import damage
from tests.streams.rebuild.command import environment, loopin
from tests.streams.rebuild.dated import HOUR, MINUTE, date_by_clients, now_ms, publish_dated
from tests.streams.rebuild.numbers import (
    expected_of,
    markers,
    newest,
    raw_records,
    varied,
    wait_all_absorbed,
)

EVENTS = 600
OPERATIONS = ("records_received", "records_rejected")
KEPT_MS = {"minute": (MINUTE, HOUR), "hour": (HOUR, 6 * HOUR), "day": (24 * HOUR, 48 * HOUR)}
"""By grain, how long windows are, and for how long they stay open after that."""


@contextmanager
def process(*arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is told to stop at the end."""
    running = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env=clean_environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield running
    finally:
        running.terminate()
        running.communicate(timeout=120)


@dataclass(frozen=True)
class Stored:
    """An installation with a ClickHouse server and a sink."""

    installation: Installation
    url: str

    @property
    def variables(self) -> dict[str, str]:
        """Name the server to commands."""
        return {
            "LOOPIN_CLICKHOUSE_URL": self.url,
            "LOOPIN_CLICKHOUSE_USER": USER,
            "LOOPIN_CLICKHOUSE_PASSWORD": PASSWORD,
        }

    def rebuild(self, job: str) -> None:
        """Run ``loopin state rebuild`` to its successful end."""
        ran = loopin(self.installation, "state", "rebuild", "--yes", job, **self.variables)
        assert ran.code == 0, ran.err

    def asked(self) -> set[tuple[str, str, int]]:
        """Project, grain and start of the windows for which a repair was asked for."""
        rows = ServerRows(self.url, USER, PASSWORD).rows(
            "SELECT DISTINCT project, grain, toUnixTimestamp(start) AS start FROM window_repairs"
        )
        return {(row["project"], row["grain"], row["start"] * 1000) for row in rows}

    def windows(self) -> dict[WindowKey, Measures]:
        """What is stored."""
        return stored_windows(ServerRows(self.url, USER, PASSWORD))


@contextmanager
def stored(installation: Installation) -> Iterator[Stored]:
    """Start server and sink."""
    with ExitStack() as cleanup:
        folder = str(installation.folder / "clickhouse")
        server = cleanup.enter_context(process("tests.clickhouse", "--folder", folder))
        assert server.stdout is not None
        found = Stored(installation, server.stdout.readline().strip())
        assert loopin(installation, "migrate", **found.variables).code == 0
        variables = environment(installation, **found.variables) | {
            "LOOPIN_HEALTH_PORT": str(free_port()),
            "LOOPIN_REPAIR_INTERVAL_S": "0.2",
        }
        cleanup.enter_context(process("loopin_deploy", "run", "sink", **variables))
        yield found


def wait_stored(store: Stored, *, open_at: int | None = None) -> None:
    """Until every stored window is what the batch computation over the raw log says.

    Those that count records cannot be recomputed from the events: they are judged if they were open at the
    watermark ``open_at``.
    """
    wait_all_absorbed(store.installation)

    def judged(windows: Mapping[WindowKey, Measures]) -> dict[WindowKey, Measures]:
        # Repairs do not know whether a window is closed.
        return {
            key: measures._replace(closed=False)
            for key, measures in windows.items()
            if key.metric not in OPERATIONS or _is_open(key, open_at)
        }

    wanted = judged(expected_of(raw_records(store.installation)).windows)
    found = compare_windows(wanted, judged(store.windows()))

    def equal() -> bool:
        nonlocal found
        found = compare_windows(wanted, judged(store.windows()))
        return found.none

    try:
        wait_until(equal, "the stored windows are right", 60)
    except BaseException:
        print("\n".join(found.notes))
        raise


def _is_open(key: WindowKey, watermark: int | None) -> bool:
    size, keep = KEPT_MS[key.grain]
    return watermark is not None and key.start + size + keep > watermark


def half_of_a_backlog(installation: Installation) -> None:
    """Four hours of events; a worker is killed when one partition is ahead of the other by hours."""
    date_by_clients(installation)
    begun = now_ms() - 4 * HOUR - 30 * MINUTE
    step = 4 * HOUR // EVENTS
    bodies = [(begun + at * step, *body) for at, body in enumerate(varied(EVENTS, 1))]
    behind = [body for body in bodies[EVENTS // 2 :] if partition_of(f"demo:{body[1]}".encode(), 2) == 1]
    publish_dated(installation, [body for body in bodies if body not in behind])
    # A worker that never calls itself idle, so that its watermarks follow the events and not the clock.
    worker = installation.start(idle_s=3600)
    wait_all_absorbed(installation)
    worker.send(signal.SIGKILL)
    worker.wait()
    publish_dated(installation, behind)
    ahead, back = (marker["watermark"] for marker in markers(installation) if marker is not None)
    assert ahead - back > HOUR + 5 * MINUTE
    wait_until(lambda: installation.members() == 0, "the broker has given the worker up")


def spoil_merge_windows(installation: Installation, *partitions: int) -> None:
    """One in each of these partitions."""
    for number in partitions:
        key = next(key for key in newest(installation, "merge.state")[number] if key.startswith(b"w:"))
        damage.write(installation, "merge.state", number, key, b"\xff{")


def open_windows(installation: Installation) -> list[set[tuple[str, str, int]]]:
    """Project, grain and start of the open windows of each raw partition."""
    return [
        {
            (project, grain, int(start))
            for _, project, grain, start in (key.decode().split(":") for key in part if key[:2] == b"w:")
        }
        for part in newest(installation, "enrich.state")
    ]


def the_merge_alone_with_partitions_far_apart(installation: Installation) -> None:
    """No partition can tell the others' share of windows that those have left behind."""
    with stored(installation) as store:
        half_of_a_backlog(installation)
        spoil_merge_windows(installation, 0, 1)
        first, second = open_windows(installation)
        store.rebuild("merge")
        ahead, behind = (marker["watermark"] for marker in markers(installation) if marker is not None)
        assert ahead == behind
        gone = (first ^ second) - (open_windows(installation)[0] | open_windows(installation)[1])
        assert gone
        assert gone <= store.asked()
        installation.start()
        wait_stored(store)


def the_merge_forgotten_with_partitions_far_apart(installation: Installation) -> None:
    with stored(installation) as store:
        half_of_a_backlog(installation)
        damage.recreate(installation, "merge.state")
        store.rebuild("merge")
        installation.start()
        wait_stored(store)


def everything_with_partitions_far_apart(installation: Installation) -> None:
    with stored(installation) as store:
        half_of_a_backlog(installation)
        damage.recreate(installation, "enrich.state", "merge.state")
        store.rebuild("enrich")
        [watermark] = {marker["watermark"] for marker in markers(installation) if marker is not None}
        installation.start()
        wait_stored(store, open_at=watermark)
        late = [
            each
            for part in installation.read("events.enriched")
            for each in part
            if "late" in json.loads(each.value() or b"")
        ]
        assert not late, "the windows that the slower partition needs are open in all"


def a_merge_that_stood_still(installation: Installation) -> None:
    """One of its partitions is refused while the workers go on for hours, and leave windows behind."""
    with stored(installation) as store:
        half_of_a_backlog(installation)
        spoil_merge_windows(installation, 0)
        worker = installation.start()
        wait_all_absorbed(installation)
        wait_until(lambda: "partition_refused" in worker.said(), "the merge is refused")
        worker.terminate()
        store.rebuild("merge")
        installation.start()
        wait_stored(store)


SCENARIOS: dict[str, Scenario] = {
    "merge alone": the_merge_alone_with_partitions_far_apart,
    "merge forgotten": the_merge_forgotten_with_partitions_far_apart,
    "everything": everything_with_partitions_far_apart,
    "merge stood still": a_merge_that_stood_still,
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_windows_of_the_past(side_by_side: Run, scenario: Scenario) -> None:
    side_by_side(scenario)
