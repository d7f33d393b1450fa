"""J2, the whole job: decode, validate, enrich with sentiment, windows of a minute by event and by country
(count, revenue, mean sentiment, distinct users), events and windows as rows in ClickHouse.

It begins with all messages in the topic and ends when the last event's row is queryable (its INSERT has
returned) and, for the peers, the last event is in its windows. This project runs as its real processes,
which do more: client duplicates, clock correction, the catalogue, profiles and sessions, windows of an hour
and a day, the API. Afterwards closing events are published, and all rows and windows in the store must be
those of a batch computation over the published file.
"""

from __future__ import annotations

import subprocess
import sys
from math import isclose
from pathlib import Path
from typing import Any

import msgspec

from loopin_schemas.topics import RAW
from tests.bench import oracle
from tests.bench.bench import Bench
from tests.bench.closed import ClosedJob, Done, ResultSize, close_windows, run_closed
from tests.bench.process import ROOT, SystemFailed
from tests.bench.purchases import BACKLOG_LATENESS_MS

EVENTS = {"": 300_000, "faust": 20_000}
SETTLE_S = 180.0
READ_S = 180.0


def wrong(done: Done) -> str:
    """Rows by event, and every window, against the batch oracle."""
    expected = done.bench.once(oracle.whole, done.messages)
    close_windows(done, 2 * BACKLOG_LATENESS_MS)
    try:
        done.running.wait_for("settled", SETTLE_S)
    except SystemFailed as error:
        unsettled = str(error)
    else:
        unsettled = ""
    done.running.stop()
    rows, windows, late = _stored(done)
    if late:
        return f"{late} events were late: their windows were recomputed, not counted"
    different = {name for name in rows.keys() | expected.rows.keys() if not _same(rows, expected.rows, name)}
    if different:
        return f"rows differ for {sorted(different)} {unsettled}"
    off = [
        window
        for window in windows.keys() | expected.windows.keys()
        if not _same(windows, expected.windows, window)
    ]
    if off:
        missing = len(expected.windows.keys() - windows.keys())
        different_ones = len(off) - missing
        return f"of {len(expected.windows)} windows {missing} missing, {different_ones} different {unsettled}"
    return ""


def _stored(done: Done) -> tuple[dict[Any, Any], dict[Any, Any], int]:
    folder = Path(done.order.folder) / ("data/store" if done.system == "loopin" else "store")
    read = subprocess.run(
        [sys.executable, "-m", "tests.bench.stored", str(folder), str(done.order.last_ms)],
        cwd=ROOT,
        capture_output=True,
        timeout=READ_S,
        check=True,
    )
    found = msgspec.json.decode(read.stdout)
    rows = {name: tuple(numbers) for name, *numbers in found["rows"]}
    windows = {(dimension, value, start): tuple(n) for dimension, value, start, *n in found["windows"]}
    return rows, windows, sum(count for (count,) in found["late"])


def _same(found: dict[Any, Any], expected: dict[Any, Any], key: object) -> bool:
    ours, theirs = found.get(key), expected.get(key)
    if ours is None or theirs is None:
        return False
    # Sums of sentiments are rounded differently, depending on the order.
    return all(
        isclose(one, other, rel_tol=1e-9, abs_tol=1e-6) for one, other in zip(ours, theirs, strict=True)
    )


def _result_size(bench: Bench, messages: Path) -> ResultSize:
    expected = bench.once(oracle.whole, messages)
    kept = sum(count for count, *_ in expected.rows.values())
    return ResultSize(kept, len(expected.windows), max(start for *_, start in expected.windows))


JOB = ClosedJob(
    name="J2",
    topic=RAW.name,
    events=EVENTS,
    result_size=_result_size,
    wrong=wrong,
    topic_config=RAW.config(),
    appends=True,
)


def run(bench: Bench) -> None:
    """All runs of all systems."""
    run_closed(JOB, bench)
