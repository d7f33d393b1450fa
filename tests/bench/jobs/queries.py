"""Query times of the store over 1 M and 10 M events of 30 days, in a process of its own: the overview, and
what a dashboard asks beside it (``dashboard.py``).

The events are made by the engine itself, in the table that the sink writes, and merged as they would be;
their windows of a minute as well. The overview's sums are compared with those of the rule that made them.
"""

from __future__ import annotations

from tests.bench.bench import Bench
from tests.bench.figures import Figure
from tests.bench.process import System, SystemFailed, this_python

EVENTS = (1_000_000, 10_000_000)
FILL_S = 3600.0
ASK_S = 1800.0


def run(bench: Bench) -> None:
    """Both sizes."""
    for run_number in range(1, bench.runs + 1):
        for events in map(bench.scaled, EVENTS):
            figure = Figure(
                job="queries", system="loopin", run=run_number, case=f"{events:,} events", events=events
            )
            folder = bench.broker.folder / f"queries-{events}-{run_number}"
            argv = ["tests.bench.filled_store", str(folder), str(events)]
            try:
                with System(
                    argv, this_python(), bench.logs / f"queries-{events}.log", bench.broker.tree
                ) as store:
                    store.wait_for("filled", FILL_S)
                    said = store.wait_for("done", ASK_S).what
                    figure.rss_mb = store.tree.peak_rss_mb
                    figure.more = said["more"]
                    figure.wrong = said["wrong"]
            except SystemFailed as error:
                figure.wrong = str(error)
            bench.add(figure)
