"""The report: tables of medians with their spread, written to ``docs/benchmarks.md``."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median

import psutil

from tests.bench.figures import Figure
from tests.bench.roster import SYSTEMS, TITLES, WAYS

Value = Callable[[Figure], float | None]


def _more(name: str) -> Value:
    return lambda figure: figure.more.get(name)


def _of_workers(figure: Figure, what: str) -> list[float]:
    return [value for name, value in figure.more.items() if name.startswith("stream") and name.endswith(what)]


CLOSED = {
    "J0": ("J0: parse and count", "Every record decoded into an event and counted by name."),
    "J1": (
        "J1: filter and windows",
        "Purchases and refunds (18 % of the events) in event-time windows of 10 s by name: count, sum, "
        "distinct users, published to a topic.",
    ),
    "J2": (
        "J2: the whole job",
        "Decode, validate, score sentiment, windows of a minute by event and by country (count, revenue, "
        "mean sentiment, distinct users), all events and windows as rows in ClickHouse. The clock stops when "
        "the last event's row is queryable.",
    ),
}

INTRODUCTION = """\
# Benchmarks

Written by `make bench`, which also keeps the raw figures of every run in `build/bench.json`. Each number is
the median of the runs, with the least and the greatest in brackets.

{machine}

The broker (Apache Kafka, one node) and the system under test share this machine. Topics are filled
beforehand, with the same seeded events for every system: 9 event names, 50,000 users on a Zipf law, 5 % out
of order by up to 5 s, 0.1 % invalid, about 370 bytes each, lz4, 4 partitions. Systems take turns in an order
that changes with every run; each is one process (this project's J2: its own three). Time runs from the first
record to the last one worked off. CPU is user and system time of the whole process tree, from the moment
that everything is imported; memory is the greatest resident sum of the tree. The broker's CPU is apart.
Every result is compared with a plain batch computation over the published events.
"""


def write_report(figures: Sequence[Figure], path: Path) -> None:
    """Write the report of these figures."""
    path.write_text(report(figures, machine()), encoding="utf-8")


def report(figures: Sequence[Figure], on: str) -> str:
    """The report as Markdown; ``on`` describes the machine."""
    by_job: dict[str, list[Figure]] = {}
    for figure in figures:
        by_job.setdefault(figure.job, []).append(figure)
    parts = [INTRODUCTION.format(machine=on)]
    parts += [_closed(job, by_job[job]) for job in CLOSED if job in by_job]
    parts += [section(by_job[job]) for job, section in SECTIONS.items() if job in by_job]
    if peers := [name for name in SYSTEMS if any(figure.system == name for figure in figures)]:
        parts.append(_ways(figures, peers))
    return "\n".join(parts)


def machine() -> str:
    """One sentence on what this runs on."""
    memory_gb = psutil.virtual_memory().total / 1e9
    return (
        f"Machine: {_processor()}, {psutil.cpu_count()} cores, {memory_gb:.0f} GB, {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}."
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def _closed(job: str, figures: list[Figure]) -> str:
    title, what = CLOSED[job]
    ours = _median(_of(figures, "loopin"), lambda figure: figure.events_per_s)
    rows = []
    for system in SYSTEMS:
        found = _of(figures, system)
        if not found:
            continue
        rate = _median(found, lambda figure: figure.events_per_s)
        rows.append(
            (
                TITLES[system],
                f"{found[0].events:,}",
                _spread(found, lambda figure: figure.events_per_s, "{:,.0f}"),
                f"{ours / rate:.1f}x" if ours and rate else "",
                _spread(found, lambda figure: figure.cpu_us_per_event, "{:.1f}"),
                _spread(found, lambda figure: figure.broker_cpu_us_per_event, "{:.1f}"),
                _spread(found, lambda figure: figure.rss_mb, "{:,.0f}"),
                _verdict(found),
            )
        )
    head = (
        "System",
        "Events",
        "Events/s",
        "We are",
        "CPU, us/event",
        "Broker CPU, us/event",
        "Memory, MB",
        "Result",
    )
    return f"## {title}\n\n{what} {_when(figures)}\n\n{_table(head, rows)}"


def _open(figures: list[Figure]) -> str:
    columns: dict[str, tuple[Value, str]] = {
        "p50, ms": (_more("p50_ms"), "{:,.0f}"),
        "p95, ms": (_more("p95_ms"), "{:,.0f}"),
        "p99, ms": (_more("p99_ms"), "{:,.0f}"),
        "p99.9, ms": (_more("p99.9_ms"), "{:,.0f}"),
        "CPU, us/event": (lambda figure: figure.cpu_us_per_event, "{:.1f}"),
        "Memory, MB": (lambda figure: figure.rss_mb, "{:,.0f}"),
        "Sent late, p99 ms": (_more("send_delay_p99_ms"), "{:,.0f}"),
    }
    return _cases(
        "Latency at a given rate",
        "From the time an event was scheduled to be sent to the time its row is queryable in ClickHouse, "
        "through the real processes; what a busy machine delays counts in full.",
        figures,
        columns,
    )


def _growth(title: str, what: str) -> Callable[[list[Figure]], str]:
    columns: dict[str, tuple[Value, str]] = {
        "Events/s": (lambda figure: figure.events_per_s, "{:,.0f}"),
        "CPU, us/event": (lambda figure: figure.cpu_us_per_event, "{:.1f}"),
        "Workers' CPU, us/event": (lambda figure: sum(_of_workers(figure, "cpu_us")) or None, "{:.1f}"),
        "Store CPU, us/event": (_more("store_cpu_us"), "{:.1f}"),
        "Memory of a worker, MB": (
            lambda figure: max(_of_workers(figure, "rss_mb"), default=None),
            "{:,.0f}",
        ),
        "All memory, MB": (lambda figure: figure.rss_mb, "{:,.0f}"),
        "Restore, s": (_more("restore_s"), "{:.1f}"),
    }

    def section(figures: list[Figure]) -> str:
        return _cases(title, what, figures, columns)

    return section


def _queries(figures: list[Figure]) -> str:
    columns: dict[str, tuple[Value, str]] = {
        f"{days} days, p{q} ms": (_more(f"overview_{days}d_p{q}_ms"), "{:,.0f}")
        for days in (1, 7, 30)
        for q in (50, 95)
    }
    columns["Memory, MB"] = (lambda figure: figure.rss_mb, "{:,.0f}")
    return _cases(
        "Queries",
        "The overview (4 queries at once) over events of 30 days, asked 30 times one after the other.",
        figures,
        columns,
        right="",
    )


def _capture(figures: list[Figure]) -> str:
    columns: dict[str, tuple[Value, str]] = {
        f"p{q}, us": (_more(f"p{q}_us"), "{:,.0f}") for q in ("50", "99", "99.9")
    }
    columns["Memory, MB"] = (lambda figure: figure.rss_mb, "{:,.0f}")
    return _cases(
        "Capture",
        "Time that the SDK's `capture()` takes in the caller's thread, at 1,000 events/s.",
        figures,
        columns,
        right="",
    )


SECTIONS: dict[str, Callable[[list[Figure]], str]] = {
    "open": _open,
    "users": _growth(
        "Known users",
        "A burst of events spread evenly over users who are all known already. Restore is from the worker's "
        "start to its last partition opened, joining the group included (2 to 3 s with no state at all).",
    ),
    "partitions": _growth("Partitions", "A burst of events of 50,000 new users."),
    "workers": _growth("Workers", "A burst of events of 50,000 new users, 4 partitions."),
    "queries": _queries,
    "capture": _capture,
}


def _cases(
    title: str,
    what: str,
    figures: list[Figure],
    columns: dict[str, tuple[Value, str]],
    right: str = "all stored",
) -> str:
    cases = dict.fromkeys(figure.case for figure in figures)
    shown = {
        name: column for name, column in columns.items() if any(column[0](f) is not None for f in figures)
    }
    rows = []
    for case in cases:
        found = [figure for figure in figures if figure.case == case]
        numbers = [_spread(found, value, form) for value, form in shown.values()]
        rows.append((case, *numbers, _verdict(found, right)))
    return f"## {title}\n\n{what} {_when(figures)}\n\n{_table(('', *shown, 'Result'), rows)}"


def _ways(figures: Sequence[Figure], systems: Sequence[str]) -> str:
    lines = ["## How each system does it\n"]
    for system in systems:
        versions: dict[str, str] = {}
        for figure in _of(figures, system):
            versions |= figure.versions
        named = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
        lines.append(
            f"- **{TITLES[system]}** ({named}): {WAYS[system]}."
            if named
            else f"- **{TITLES[system]}**: {WAYS[system]}."
        )
    return "\n".join(lines) + "\n"


def _of(figures: Iterable[Figure], system: str) -> list[Figure]:
    return [figure for figure in figures if figure.system == system]


def _values(figures: Iterable[Figure], value: Value) -> list[float]:
    return [found for figure in figures if (found := value(figure)) is not None]


def _median(figures: Iterable[Figure], value: Value) -> float | None:
    found = _values(figures, value)
    return median(found) if found else None


def _spread(figures: Iterable[Figure], value: Value, form: str) -> str:
    found = _values(figures, value)
    if not found:
        return "-"
    middle = form.format(median(found))
    if len(found) == 1:
        return middle
    return f"{middle} ({form.format(min(found))}-{form.format(max(found))})"


def _verdict(figures: Sequence[Figure], right: str = "equal") -> str:
    wrong = [figure for figure in figures if figure.wrong]
    if not wrong:
        return right
    sentence = wrong[0].wrong.splitlines()[0]
    return f"**WRONG** in {len(wrong)} of {len(figures)}: {sentence}"


def _when(figures: Sequence[Figure]) -> str:
    days = sorted({figure.date for figure in figures})
    runs = max(figure.run for figure in figures)
    return f"{'Run' if runs == 1 else f'{runs} runs'} on {' and '.join(days)}."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 2), "---"], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
