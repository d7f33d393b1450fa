"""The fault matrix: ``python -m tests.faults [--cases a,b] [--events N] [--seed N]``.

Exit code 1 if anything was lost, counted twice or is wrong.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.faults.case import Case, Row, run_case
from tests.faults.cases import CASES
from tests.faults.report import header, line, write

RESULTS = Path("build/faults.json")


def main(arguments: Sequence[str]) -> int:
    """Run the cases that are asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default="", help="names, separated by commas; all by default")
    parser.add_argument("--events", type=int, default=100_000, help="good events of each case")
    parser.add_argument("--seed", type=int, default=4, help="of everything random")
    parser.add_argument("--list", action="store_true", help="show the cases and what each does")
    asked = parser.parse_args(arguments)
    if asked.list:
        for case in CASES:
            print(f"{case.name:<24}{case.help}")
        return 0
    # So that all that was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = [name for name in asked.cases.split(",") if name]
    if unknown := set(names) - {case.name for case in CASES}:
        parser.error(f"no such case: {', '.join(sorted(unknown))}; --list shows them all")
    chosen = [case for case in CASES if not names or case.name in names]
    print(header(), flush=True)
    if not names:
        # What an earlier matrix has found says nothing of this one.
        RESULTS.unlink(missing_ok=True)
    rows: list[Row] = []
    for case in chosen:
        rows.append(_run(case, asked.events, asked.seed))
        write(rows, RESULTS, [case.name for case in CASES])
    return 0 if all(row.good for row in rows) else 1


def _run(case: Case, events: int, seed: int) -> Row:
    """Run one case in a folder of its own, which is kept where something is wrong."""
    folder = Path(tempfile.mkdtemp(prefix=f"faults-{case.name}-"))
    try:
        row, notes = run_case(case, events, seed, folder)
    except Exception as error:
        # One case that breaks off, even by a defect of the matrix itself, must not hide the others.
        (folder / "failure.txt").write_text(traceback.format_exc())
        row, notes = Row(case.name), [f"{type(error).__name__}: {error}"]
    print(line(row), flush=True)
    for note in notes:
        print(f"    {note}", file=sys.stderr, flush=True)
    if row.good:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"    The logs are in {folder}.", file=sys.stderr, flush=True)
    return row


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
