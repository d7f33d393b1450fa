"""The benches: ``python -m tests.bench --jobs J0,J1 --systems loopin,quix --runs 3``.

Raw figures go to build/bench.json, where those of a case replace a system's earlier ones once all its runs
have ended; the report of all of them goes to docs/benchmarks.md. What the systems print is kept in
build/bench-logs. On a slow machine ``--scale 0.3`` gives every job fewer events: its figures have a file of
their own for each scale, and are reported only to the file that ``--report`` names.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from tests.bench.bench import Bench
from tests.bench.broker import running_broker
from tests.bench.figures import Figure, load, merged, save
from tests.bench.jobs import (
    alerts,
    capture,
    django,
    feed,
    growth,
    open_loop,
    parse,
    queries,
    scored,
    trouble,
    whole,
    windows,
)
from tests.bench.machine import loop_s
from tests.bench.process import PEERS_PYTHON, missing_peers
from tests.bench.report import write_report
from tests.bench.roster import SYSTEMS

JOBS: dict[str, Callable[[Bench], None]] = {
    "J0": parse.run,
    "J1": windows.run,
    "J2": whole.run,
    "open": open_loop.run,
    "trouble": trouble.run,
    "scored": scored.run,
    "users": growth.run_users,
    "partitions": growth.run_partitions,
    "workers": growth.run_workers,
    "queries": queries.run,
    "capture": capture.run,
    "django": django.run,
    "alerts": alerts.run,
    "feed": feed.run,
}
BUILD = Path("build")
LOGS = BUILD / "bench-logs"
REPORT = Path("docs/benchmarks.md")


def main() -> int:
    """Run what is asked for; 1 if a result was wrong or a system failed."""
    asked = asked_for(sys.argv[1:])
    asked.systems = _installed(asked.systems)
    LOGS.mkdir(parents=True, exist_ok=True)
    figures: list[Figure] = []
    # Before the broker runs, which needs a core at its start.
    speed_s = loop_s()
    _tell(f"ten million additions take {speed_s:.2f} s")
    try:
        with running_broker() as broker:
            bench = Bench(broker, asked.systems, asked.runs, asked.scale, LOGS, _tell, figures, speed_s)
            for job in asked.jobs:
                JOBS[job](bench)
    finally:
        # What was measured before an interruption counts, as far as it went.
        everything = merged(load(asked.figures), figures, asked.runs)
        save(everything, asked.figures)
    if asked.report is not None:
        write_report(everything, asked.report)
    return int(any(figure.wrong for figure in figures))


def asked_for(arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for; ``report`` is None where none is to be written."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--jobs", type=_names(JOBS), default=tuple(JOBS), help=f"of {','.join(JOBS)}")
    parser.add_argument(
        "--systems", type=_names(SYSTEMS), help=f"of {','.join(SYSTEMS)}; default all there are"
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies every number of events")
    parser.add_argument("--figures", type=Path, default=BUILD / "bench.json")
    parser.add_argument("--report", type=Path, help=f"default {REPORT}; at another scale than 1, none")
    parser.add_argument("--no-report", action="store_true")
    asked = parser.parse_args(arguments)
    if asked.scale != 1.0:
        # Medians over different sizes would say nothing.
        asked.figures = asked.figures.with_stem(f"{asked.figures.stem}-x{asked.scale:g}")
    elif asked.report is None:
        asked.report = REPORT
    if asked.no_report:
        asked.report = None
    return asked


def _installed(systems: tuple[str, ...] | None) -> tuple[str, ...]:
    """The systems that are asked for, or all that there are.

    Raises:
        SystemExit: one that is asked for is not installed.
    """
    missing = missing_peers()
    if systems is None:
        return tuple(system for system in SYSTEMS if system not in missing)
    if wanted := missing & set(systems):
        where = PEERS_PYTHON.parents[1].name
        sys.exit(f"{', '.join(sorted(wanted))} not installed in {where}: `make bench` makes it.")
    return systems


def _names(known: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        found = tuple(text.split(","))
        if unknown := set(found) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose of {', '.join(known)}")
        return found

    return names


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
