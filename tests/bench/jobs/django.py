"""What the Django middleware adds to a request, with a broker and without."""

from __future__ import annotations

from tests.bench.bench import PARTITIONS, Bench
from tests.bench.figures import Figure
from tests.bench.jobs.capture import NOBODY
from tests.bench.live import installation
from tests.bench.process import System, SystemFailed, this_python

REQUESTS = 5_000
SAY_S = 120.0


def run(bench: Bench) -> None:
    """Both cases."""
    for run_number in range(1, bench.runs + 1):
        with installation(bench, "django", PARTITIONS) as place:
            for case, bootstrap in (("broker up", bench.broker.bootstrap), ("broker down", NOBODY)):
                figure = Figure(job="django", system="loopin", run=run_number, case=case)
                figure.events = bench.scaled(REQUESTS)
                argv = ["tests.bench.timed_django", bootstrap, place.order.prefix, str(figure.events)]
                log = bench.logs / f"django-{run_number}.log"
                try:
                    with System(argv, this_python(), log, bench.broker.tree) as server:
                        figure.more = server.wait_for("done", SAY_S).what["more"]
                        figure.rss_mb = server.tree.peak_rss_mb
                except SystemFailed as error:
                    figure.wrong = str(error)
                bench.add(figure)
