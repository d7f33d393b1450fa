"""How the cost of an event grows: with the users known, with partitions, with workers.

The real processes get a burst of events, published while they run; CPU and memory are of the whole tree, and
of the worker and the store apart. Users are made known by an event of each; then everything is stopped and
started again, so that the worker restores its state (``restore_s``: from the worker's first word to its last
partition opened) before the burst, whose events are spread evenly over those users.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from loopin_streams.learning.predictions import LEAST_ACTIVE_DAYS
from tests.bench.bench import PARTITIONS, Bench
from tests.bench.figures import Figure
from tests.bench.live import Installation, installation
from tests.bench.messages import INVALID_ID, Messages, introductions, lines
from tests.bench.process import SystemFailed

USERS = (10_000, 100_000, 1_000_000)
PARTITION_COUNTS = (1, 4, 16)
WORKERS = (1, 2)
BURST = 200_000
BURST_USERS = 50_000


class Case(NamedTuple):
    """One point of a curve."""

    name: str
    partitions: int
    measure: Callable[[Installation, Figure], None]


def run_users(bench: Bench) -> None:
    """10 k, 100 k and 1 M known users."""
    counts = [bench.scaled(users) for users in USERS]
    _run(bench, "users", [Case(f"{n:,} known users", PARTITIONS, partial(_known_users, n)) for n in counts])


def run_partitions(bench: Bench) -> None:
    """1, 4 and 16 partitions."""
    _run(bench, "partitions", [Case(f"{n} partitions", n, partial(_workers, 1)) for n in PARTITION_COUNTS])


def run_workers(bench: Bench) -> None:
    """1 and 2 workers on 4 partitions; and one whose users are no newcomers, so that models score them."""
    cases = [Case(f"{n} workers", PARTITIONS, partial(_workers, n)) for n in WORKERS]
    _run(bench, "workers", [*cases, Case("1 workers, users scored", PARTITIONS, _scored_users)])


def _run(bench: Bench, job: str, cases: list[Case]) -> None:
    for run in range(1, bench.runs + 1):
        for case in cases:
            bench.refresh()
            figure = Figure(job=job, system="loopin", run=run, case=case.name)
            with installation(bench, f"{job}-{case.partitions}", case.partitions) as place:
                try:
                    case.measure(place, figure)
                except SystemFailed as error:
                    figure.wrong = str(error)
            bench.add(figure)


def _known_users(users: int, place: Installation, figure: Figure) -> None:
    with place.up() as live:
        figure.more["empty_restore_s"] = live.restore_s
        live.burst(introductions(users, place.bench.start_ms), users, figure)
    figure.more = {
        "empty_restore_s": figure.more["empty_restore_s"],
        "first_sight_cpu_us": figure.cpu_us_per_event or 0.0,
    }
    with place.up() as live:
        figure.more["restore_s"] = live.restore_s
        figure.more["restored_rss_mb"] = live.roles["stream"].rss_mb()
        messages = _burst(place.bench, users)
        live.burst(messages, len(messages), figure)


def _workers(workers: int, place: Installation, figure: Figure) -> None:
    messages = _burst(place.bench, BURST_USERS)
    with place.up(workers) as live:
        live.burst(messages, len(messages), figure)


def _scored_users(place: Installation, figure: Figure) -> None:
    seen = [
        each
        for days_ago in range(LEAST_ACTIVE_DAYS, 0, -1)
        for each in introductions(BURST_USERS, place.bench.start_ms, days_ago, "content_commented")
    ]
    messages = _burst(place.bench, BURST_USERS)
    with place.up() as live:
        live.burst(seen, len(seen), figure)
        figure.more = {}
        live.burst(messages, len(messages), figure)


def _burst(bench: Bench, users: int) -> list[tuple[bytes, bytes]]:
    """Valid events, so that each has a row."""
    wanted = Messages(bench.scaled(BURST), bench.start_ms, users=users, zipf=False, seed=5)
    return [(key, body) for key, body in lines(wanted) if not key.endswith(INVALID_ID.encode())]
