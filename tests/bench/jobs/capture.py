"""What ``capture()`` of the client SDK costs the thread that calls it, with a broker and without."""

from __future__ import annotations

from tests.bench.bench import PARTITIONS, Bench
from tests.bench.figures import Figure
from tests.bench.live import installation
from tests.bench.process import System, SystemFailed, this_python

CAPTURES = 20_000
SAY_S = 120.0
NOBODY = "127.0.0.1:1"
"""No broker listens on port 1."""


def run(bench: Bench) -> None:
    """Both cases."""
    for run_number in range(1, bench.runs + 1):
        with installation(bench, "capture", PARTITIONS) as place:
            for case, bootstrap in (("broker up", bench.broker.bootstrap), ("broker down", NOBODY)):
                figure = Figure(job="capture", system="loopin", run=run_number, case=case)
                figure.events = bench.scaled(CAPTURES)
                argv = ["tests.bench.timed_capture", bootstrap, place.order.prefix, str(figure.events)]
                log = bench.logs / f"capture-{run_number}.log"
                try:
                    with System(argv, this_python(), log, bench.broker.tree) as client:
                        figure.more = client.wait_for("done", SAY_S).what["more"]
                        figure.rss_mb = client.tree.peak_rss_mb
                except SystemFailed as error:
                    figure.wrong = str(error)
                bench.add(figure)
