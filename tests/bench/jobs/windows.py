"""J1: filter, and event-time windows of 10 s with count, sum and distinct users, published to a topic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tests.bench import oracle
from tests.bench.bench import Bench
from tests.bench.closed import ClosedJob, Done, ResultSize, close_windows, read_until, run_closed
from tests.bench.purchases import BACKLOG_LATENESS_MS

EVENTS = {"": 500_000, "faust": 50_000}
RESULT_S = 120.0


def wrong(done: Done) -> str:
    """Once closing events have come, every window is that of the batch oracle."""
    expected = done.bench.once(oracle.purchases, done.messages)
    found: oracle.PurchaseWindows = {}
    last_ms = max(start for _, start in expected)

    def take(body: bytes) -> None:
        row: dict[str, Any] = msgspec.json.decode(body)
        if row["start"] <= last_ms:
            found[row["event"], row["start"]] = row["count"], row["sum"], row["users"]

    close_windows(done, 2 * BACKLOG_LATENESS_MS)
    if read_until(done, take, lambda: found == expected, RESULT_S):
        return ""
    missing = expected.keys() - found.keys()
    other = sum(found[window] != expected.get(window) for window in found)
    return f"of {len(expected)} windows {len(missing)} missing, {other} different"


def _result_size(bench: Bench, messages: Path) -> ResultSize:
    windows = bench.once(oracle.purchases, messages)
    return ResultSize(sum(count for count, _, _ in windows.values()))


JOB = ClosedJob(
    name="J1",
    topic="events.raw",
    events=EVENTS,
    result_size=_result_size,
    wrong=wrong,
    topic_config={},
    appends=True,
)


def run(bench: Bench) -> None:
    """All runs of all systems."""
    run_closed(JOB, bench)
