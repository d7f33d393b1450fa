"""The benches: ``python -m tests.bench --jobs J0,J1 --systems loopin,quix --runs 3``.

Raw figures go to build/bench.json, where they replace earlier ones of the same jobs and systems; the report
of all of them goes to docs/benchmarks.md. What the systems print is kept in build/bench-logs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection
from pathlib import Path

from tests.bench.bench import Bench
from tests.bench.broker import running_broker
from tests.bench.figures import Figure, load, merged, save
from tests.bench.jobs import capture, growth, open_loop, parse, queries, whole, windows
from tests.bench.process import PEERS_PYTHON, missing_peers
from tests.bench.report import write_report
from tests.bench.roster import SYSTEMS

JOBS: dict[str, Callable[[Bench], None]] = {
    "J0": parse.run,
    "J1": windows.run,
    "J2": whole.run,
    "open": open_loop.run,
    "users": growth.run_users,
    "partitions": growth.run_partitions,
    "workers": growth.run_workers,
    "queries": queries.run,
    "capture": capture.run,
}
BUILD = Path("build")
LOGS = BUILD / "bench-logs"


def main() -> int:
    """Run what is asked for; 1 if a result was wrong or a system failed."""
    asked = _asked()
    LOGS.mkdir(parents=True, exist_ok=True)
    figures: list[Figure] = []
    try:
        with running_broker() as broker:
            bench = Bench(broker, asked.systems, asked.runs, asked.scale, LOGS, _tell, figures)
            for job in asked.jobs:
                JOBS[job](bench)
    finally:
        # What was measured before an interruption is kept.
        everything = merged(load(asked.figures), figures)
        save(everything, asked.figures)
    if asked.report is not None:
        write_report(everything, asked.report)
    return int(any(figure.wrong for figure in figures))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--jobs", type=_names(JOBS), default=tuple(JOBS), help=f"of {','.join(JOBS)}")
    parser.add_argument(
        "--systems", type=_names(SYSTEMS), help=f"of {','.join(SYSTEMS)}; default all there are"
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="multiplies every number of events; other than 1, no report"
    )
    parser.add_argument("--figures", type=Path, default=BUILD / "bench.json")
    parser.add_argument("--report", type=Path, default=Path("docs/benchmarks.md"))
    parser.add_argument("--no-report", dest="report", action="store_const", const=None)
    asked = parser.parse_args()
    if asked.scale != 1.0:
        # Figures of other sizes must not take the place of those that the report is made of.
        asked.report = None
        asked.figures = asked.figures.with_stem(f"{asked.figures.stem}-scaled")
    missing = missing_peers()
    if asked.systems is None:
        asked.systems = tuple(system for system in SYSTEMS if system not in missing)
    elif wanted := missing & set(asked.systems):
        where = PEERS_PYTHON.parents[1].name
        parser.error(f"{', '.join(sorted(wanted))} not installed in {where}: `make bench` makes it")
    return asked


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
