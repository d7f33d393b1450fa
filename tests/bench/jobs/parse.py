"""J0: decode every record into an ``Event`` and count by name."""

from __future__ import annotations

from tests.bench import oracle
from tests.bench.bench import Bench
from tests.bench.closed import ClosedJob, Done, ResultSize, run_closed

EVENTS = {"": 1_000_000, "faust": 100_000}


def wrong(done: Done) -> str:
    """The counts by name are those of the file."""
    expected = done.bench.once(oracle.names, done.messages)
    found = done.found["found"]
    return "" if found == expected else f"counted {found}, not {expected}"


JOB = ClosedJob(
    name="J0",
    topic="events.raw",
    events=EVENTS,
    result_size=lambda bench, messages: ResultSize(sum(bench.once(oracle.names, messages).values())),
    wrong=wrong,
    topic_config={},
    appends=False,
)


def run(bench: Bench) -> None:
    """All runs of all systems."""
    run_closed(JOB, bench)
