"""Latency at a given rate: from the time an event was to be sent to the time it is queryable.

Events are scheduled at even distances and published by a process of their own (``paced_producer.py``). Each
carries its *scheduled* time as ``queued_at``, which the stream keeps as ``sent_at``: an event that the
producer sends late, because it or the broker was held up, has waited since its scheduled time, so nothing
that a stalled system delays is left out (no coordinated omission). The end of the wait is taken when the
insert of its row has returned, for every single event (``recorded_store.py``).

The first seconds are left out; every event must be stored.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.bench.bench import PARTITIONS, Bench
from tests.bench.figures import Figure
from tests.bench.inserts import LATENCIES
from tests.bench.live import Installation, installation
from tests.bench.process import System, SystemFailed, this_python

RATES = (1_000, 5_000, 10_000, 20_000)
SECONDS = 60
WARM_UP_S = 10
STORED_S = 60.0
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
        began = producer.wait_for("began", 30)
        before, broker_before = live.tree.cpu_s(), bench.broker.tree.cpu_s()
        said = producer.wait_for("done", seconds + warm_up_s + 60).what
        live.wait_for(events, STORED_S)
        figure.cpu_us_per_event = (live.tree.cpu_s() - before) / events * 1e6
        figure.broker_cpu_us_per_event = (bench.broker.tree.cpu_s() - broker_before) / events * 1e6
        figure.rss_mb = live.tree.peak_rss_mb
    figure.events = events
    figure.events_per_s = said["sent_per_s"]
    figure.more["send_delay_p99_ms"] = said["delay_p99_ms"]
    measured_from_ms = began.what["scheduled_ms"] + warm_up_s * 1000
    figure.more |= percentiles(Path(place.order.folder) / LATENCIES, measured_from_ms)


def percentiles(path: Path, from_ms: float) -> dict[str, float]:
    """Quantiles of the latencies (ms) of events that were scheduled from ``from_ms`` (epoch ms) on."""
    pairs = np.fromfile(path, dtype=np.int64).reshape(-1, 2)
    latencies = pairs[pairs[:, 0] >= from_ms, 1]
    found = {f"p{quantile:g}_ms": float(np.percentile(latencies, quantile)) for quantile in QUANTILES}
    return found | {"max_ms": float(latencies.max()), "measured": float(len(latencies))}
