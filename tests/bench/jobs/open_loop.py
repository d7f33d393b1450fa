"""Latency at a given rate: from the time an event was to be sent to the time it is queryable.

Events are scheduled at even distances and published by a process of their own (``paced_producer.py``). Each
carries its *scheduled* time as ``queued_at``, which the stream keeps as ``sent_at``: an event that the
producer sends late, because it or the broker was held up, has waited since its scheduled time, so nothing
that a stalled system delays is left out (no coordinated omission). The end of the wait is taken when the
insert of its row has returned, for every single event (``recorded_store.py``).

The first seconds are left out of the quantiles. A rate is held when at most a few seconds' events wait at the
end of the schedule. Where more do, the run says how far behind it was and waits for the rest for a bounded
time; quantiles are given only once all events are stored, since those that are missing wait longest. Events
that are missing while nothing is stored any more are an error.
"""

from __future__ import annotations

from pathlib import Path
from time import time

import numpy as np
from numpy.typing import NDArray

from tests.bench.bench import PARTITIONS, Bench
from tests.bench.figures import Figure
from tests.bench.inserts import LATENCIES
from tests.bench.live import Installation, LiveStack, installation
from tests.bench.paced_producer import AHEAD_S, FLUSH_S, GIVE_UP_S
from tests.bench.process import System, SystemFailed, this_python

RATES = (1_000, 5_000, 10_000, 20_000)
SECONDS = 60
WARM_UP_S = 10
HELD_S = 3.0
"""A held rate has at most so many seconds of events waiting at the end."""

BEGAN_S = 60.0
STORED_S = 60.0
STILL_S = 20.0
"""A system that has stored nothing for so long is not behind, it stands still."""

QUANTILES = (50.0, 95.0, 99.0, 99.9)


def run(bench: Bench) -> None:
    """All rates."""
    for run_number in range(1, bench.runs + 1):
        for rate in RATES:
            figure = Figure(job="open", system="loopin", run=run_number, case=f"{rate:,} events/s")
            with installation(bench, f"open-{rate}", PARTITIONS) as place:
                try:
                    _measure(place, rate, figure)
                except SystemFailed as error:
                    figure.wrong = str(error)
            bench.add(figure)


def _measure(place: Installation, rate: int, figure: Figure) -> None:
    bench = place.bench
    seconds = max(2.0, SECONDS * bench.scale)
    warm_up_s = WARM_UP_S * min(1.0, bench.scale)
    events = int(rate * (seconds + warm_up_s))
    argv = ["tests.bench.paced_producer", place.order.bootstrap, place.order.topic, str(rate), str(events)]
    log = bench.logs / f"{place.name}-producer.log"
    with place.up() as live, System(argv, this_python(), log, bench.broker.tree) as producer:
        first_ms = producer.wait_for("began", BEGAN_S).what["scheduled_ms"]
        before, broker_before = live.tree.cpu_s(), bench.broker.tree.cpu_s()
        said = producer.wait_for("done", AHEAD_S + events / rate + GIVE_UP_S + 2 * FLUSH_S).what
        _wait(live, said["sent"])
        stored = max(1, live.inserted.rows)
        figure.cpu_us_per_event = (live.tree.cpu_s() - before) / stored * 1e6
        figure.broker_cpu_us_per_event = (bench.broker.tree.cpu_s() - broker_before) / stored * 1e6
        figure.rss_mb = live.tree.peak_rss_mb
    figure.events = events
    figure.events_per_s = said["sent_per_s"]
    latencies = read(Path(place.order.folder) / LATENCIES)
    waiting = behind(latencies, events, first_ms + events / rate * 1000)
    figure.not_held = not_held(waiting, max(0, events - len(latencies)), rate)
    figure.more = {"send_delay_p99_ms": said["delay_p99_ms"], "behind_s": waiting / rate}
    if len(latencies) >= events:
        figure.more |= percentiles(latencies, first_ms + warm_up_s * 1000)


def _wait(live: LiveStack, sent: int) -> None:
    """Until all is stored that was sent, or the time is over.

    Raises:
        SystemFailed: not all is stored, and nothing has been for a while.
    """
    try:
        live.wait_for(sent, STORED_S)
    except SystemFailed:
        if time() - live.inserted.last_at > STILL_S:
            raise


Latencies = NDArray[np.int64]
"""Of each stored event, when it was scheduled (epoch ms) and how long until it was queryable (ms)."""


def read(path: Path) -> Latencies:
    """What the store has noted."""
    return np.fromfile(path, dtype=np.int64).reshape(-1, 2)


def behind(latencies: Latencies, events: int, at_ms: float) -> int:
    """How many of all events were not stored at ``at_ms`` (epoch ms)."""
    return max(0, events - int((latencies.sum(axis=1) <= at_ms).sum()))


def not_held(waiting: int, missing: int, rate: int) -> str:
    """How far behind a run was at the end of its schedule, "" if it held the rate.

    ``missing`` of the ``waiting`` events were not even stored when the time was over.
    """
    if waiting <= HELD_S * rate and not missing:
        return ""
    later = f"{missing:,} not stored a minute later" if missing else "all stored later"
    return f"{waiting:,} events ({waiting / rate:.1f} s) behind at the end, {later}"


def percentiles(latencies: Latencies, from_ms: float) -> dict[str, float]:
    """Quantiles of the latencies (ms) of events that were scheduled from ``from_ms`` (epoch ms) on."""
    measured = latencies[latencies[:, 0] >= from_ms, 1]
    found = {f"p{quantile:g}_ms": float(np.percentile(measured, quantile)) for quantile in QUANTILES}
    return found | {"max_ms": float(measured.max()), "measured": float(len(measured))}
