"""The report: what each job measures, and its table, written to ``docs/benchmarks.md``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.bars import bar, cpu_us, events_per_s, of_the_first, of_workers, times, worker_mb
from tests.bench.figures import Figure
from tests.bench.machine import machine
from tests.bench.roster import SYSTEMS, TITLES, WAYS
from tests.bench.tables import Cell, Runs, dates, events, more, spread, table, verdict

Columns = Callable[[Mapping[str, Runs]], Mapping[str, Cell]]
"""The columns of a table, given its rows by system or case."""

CLOSED = {
    "J0": ("J0: parse and count", "Every record decoded into an event and counted by name."),
    "J1": (
        "J1: filter and windows",
        "Purchases and refunds (18 % of the events) in event-time windows of 10 s by name: count, sum, "
        "distinct users, published to a topic. Windows wait 2 h of event time for late events, in every "
        "system alike, so they close after the clock has stopped; only Faust, which has no watermark, "
        "publishes each second what has changed.",
    ),
    "J2": (
        "J2: the whole job",
        "Decode, validate, score sentiment, windows of a minute by event and by country (count, revenue, "
        "mean sentiment, distinct users), all events and windows as rows in ClickHouse. The clock stops when "
        "the last event's row is queryable. Until then this project and Faust also publish and store "
        "windows; those of the others wait for late events as in J1, and are stored afterwards.",
    ),
}

HOW = "How each system does it"

INTRODUCTION = """\
# Benchmarks

Written by `make bench`, which also keeps the raw figures of every run in `build`; what a command does not
measure stays as it was. Each number is the median of the runs, with the least and the greatest in brackets;
where a target is set, it stands beside. The speed of the machine, which other work on it changes, is told by
how long ten million additions take in a pure Python loop.

{machine}

The broker (Apache Kafka, one node) and the system under test share this machine. Topics are filled
beforehand, with the same seeded events for every system: 9 event names, 50,000 users on a Zipf law, 5 % out
of order by up to 5 s, 0.1 % invalid, about 370 bytes each, lz4, 4 partitions. Systems take turns in an order
that changes with every run; each is one process (this project's J2: its own three). Time runs from the first
record to the last one worked off. CPU is user and system time of the whole process tree, from the moment
that everything is imported; memory is the greatest resident sum of the tree. The broker's CPU is apart.
Every result of J0, J1 and J2 is compared with a plain batch computation over the published events. Where
events are sent to be stored, their rows are counted; of the queries, the overview's sums are checked.
"""


def write_report(figures: Sequence[Figure], path: Path) -> None:
    """Write the report of these figures; what it says of other jobs stays."""
    earlier = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(report(figures, machine(), earlier), encoding="utf-8")


def report(figures: Sequence[Figure], on: str, earlier: str = "") -> str:
    """The report as Markdown; ``on`` describes the machine, ``earlier`` is the report until now."""
    by_job: dict[str, list[Figure]] = {}
    for figure in figures:
        by_job.setdefault(figure.job, []).append(figure)
    kept = {part.partition("\n")[0]: f"## {part.rstrip()}\n" for part in _HEADING.split(earlier)[1:]}
    parts = [INTRODUCTION.format(machine=on)]
    for job, (title, _) in CLOSED.items():
        parts += [_closed(job, by_job[job])] if job in by_job else _one(kept, title)
    for job, section in SECTIONS.items():
        parts += [section.text(by_job[job])] if job in by_job else _one(kept, section.title)
    peers = [name for name in SYSTEMS if any(figure.system == name for figure in figures)]
    if set(CLOSED) & by_job.keys():
        parts.append(_ways(figures, peers, kept.get(HOW, "")))
    else:
        parts += _one(kept, HOW)
    return "\n".join(parts)


_HEADING = re.compile(r"^## ", re.MULTILINE)


def _one(kept: Mapping[str, str], title: str) -> list[str]:
    return [kept[title]] if title in kept else []


def _closed(job: str, figures: list[Figure]) -> str:
    title, what = CLOSED[job]
    rows = {name: found for name in SYSTEMS if (found := _of(figures, name))}
    columns: dict[str, Cell] = {
        "Events": events,
        "Events/s": spread(events_per_s, "{:,.0f}"),
        "We are": lambda runs: _times(times(runs, rows)),
        "CPU, us/event": spread(cpu_us, "{:.1f}"),
        "Broker CPU, us/event": spread(lambda figure: figure.broker_cpu_us_per_event, "{:.1f}"),
        "Memory, MB": spread(lambda figure: figure.rss_mb, "{:,.0f}"),
        "Target": lambda runs: bar(runs, rows),
    }
    shown = table("System", rows, columns, verdict("equal"))
    return f"## {title}\n\n{what} {_when(figures)}\n\n{shown}"


@dataclass(frozen=True, slots=True)
class Section:
    """A section with a row for each case of this project; ``right`` is the result where nothing is wrong."""

    title: str
    what: str
    columns: Columns
    right: str

    def text(self, figures: list[Figure]) -> str:
        """The section as Markdown."""
        rows: dict[str, list[Figure]] = {}
        for figure in figures:
            rows.setdefault(figure.case, []).append(figure)
        ours: dict[str, Cell] = {**self.columns(rows), "Target": lambda runs: bar(runs, rows)}
        shown = table("Case", rows, ours, verdict(self.right))
        return f"## {self.title}\n\n{self.what} {_when(figures)}\n\n{shown}"


def _latency(rows: Mapping[str, Runs]) -> dict[str, Cell]:
    return {
        "Events": events,
        **{f"p{q}, ms": spread(more(f"p{q}_ms"), "{:,.0f}") for q in ("50", "95", "99", "99.9")},
        "Behind at the end, s": spread(more("behind_s"), "{:.1f}"),
        "CPU, us/event": spread(cpu_us, "{:.1f}"),
        "Memory, MB": spread(lambda figure: figure.rss_mb, "{:,.0f}"),
        "Sent late, p99 ms": spread(more("send_delay_p99_ms"), "{:,.0f}"),
    }


def _trouble(rows: Mapping[str, Runs]) -> dict[str, Cell]:
    return {
        "Events": events,
        **{f"p{q}, ms": spread(more(f"p{q}_ms"), "{:,.0f}") for q in ("50", "95", "99", "99.9")},
        "p99 rises by, %": spread(more("rise_percent"), "{:.1f}"),
        "Times": spread(more("times"), "{:,.0f}"),
    }


def _scored(rows: Mapping[str, Runs]) -> dict[str, Cell]:
    return {
        "Trials": events,
        **{f"p{q}, ms": spread(more(f"p{q}_ms"), "{:,.0f}") for q in ("50", "95", "99")},
        "Longest, ms": spread(more("max_ms"), "{:,.0f}"),
    }


def _growth(rows: Mapping[str, Runs]) -> dict[str, Cell]:
    return {
        "Events": events,
        "Events/s": spread(events_per_s, "{:,.0f}"),
        "CPU, us/event": spread(cpu_us, "{:.1f}"),
        "To the first": lambda runs: _times(of_the_first(runs, rows), 2),
        "Workers' CPU, us/event": spread(lambda figure: sum(of_workers(figure, "cpu_us")) or None, "{:.1f}"),
        "Store CPU, us/event": spread(more("store_cpu_us"), "{:.1f}"),
        "Memory of a worker, MB": spread(worker_mb, "{:,.0f}"),
        "All memory, MB": spread(lambda figure: figure.rss_mb, "{:,.0f}"),
        "Restore, s": spread(more("restore_s"), "{:.1f}"),
    }


def _queries(rows: Mapping[str, Runs]) -> dict[str, Cell]:
    queries = {f"Overview, {days} d": f"overview_{days}d" for days in (1, 7, 30)} | {
        "Minutes of a day": "window_series",
        "Daily active users": "active_users",
        "A user's events": "user_events",
        "10,000 rows exported": "export",
    }
    return {head: spread(more(f"{name}_p95_ms"), "{:,.0f}") for head, name in queries.items()} | {
        "Overview, 30 d, nothing rolled up": spread(more("overview_30d_from_events_ms"), "{:,.0f}"),
        "Daily active users, none kept": spread(more("active_users_none_kept_ms"), "{:,.0f}"),
        "Rolling up, s": spread(more("roll_up_s"), "{:,.1f}"),
        "Memory, MB": spread(lambda figure: figure.rss_mb, "{:,.0f}"),
    }


def _capture(rows: Mapping[str, Runs]) -> dict[str, Cell]:
    return {
        "Calls": events,
        **{f"p{q}, us": spread(more(f"p{q}_us"), "{:,.0f}") for q in ("50", "99", "99.9")},
        "Memory, MB": spread(lambda figure: figure.rss_mb, "{:,.0f}"),
        "Lost": spread(more("lost"), "{:,.0f}"),
    }


def _alerts(rows: Mapping[str, Runs]) -> dict[str, Cell]:
    return {
        "Trials": spread(more("trials"), "{:,.0f}"),
        **{f"p{q}, ms": spread(more(f"p{q}_ms"), "{:,.0f}") for q in ("50", "95", "99")},
        "Longest, ms": spread(more("max_ms"), "{:,.0f}"),
        "Memory, MB": spread(lambda figure: figure.rss_mb, "{:,.0f}"),
    }


def _django(rows: Mapping[str, Runs]) -> dict[str, Cell]:
    heads = {
        "Without it, p50 us": "without_us",
        "With it, p50 us": "with_us",
        "Added, mean us": "added_mean_us",
        "Added, p50 us": "added_p50_us",
        "Added, p99 us": "added_p99_us",
    }
    return {"Requests": events} | {head: spread(more(name), "{:,.0f}") for head, name in heads.items()}


def _feed(rows: Mapping[str, Runs]) -> dict[str, Cell]:
    return {
        "Added memory, MB": spread(more("added_mb"), "{:,.0f}"),
        "Memory, MB": spread(lambda figure: figure.rss_mb, "{:,.0f}"),
        "CPU while idle, %": spread(more("idle_cpu_percent"), "{:.1f}"),
        "CPU to connect, ms/client": spread(more("connect_cpu_ms"), "{:.1f}"),
        "Alert to the last client, ms": spread(more("last_told_ms"), "{:,.0f}"),
        "Slowest alert, ms": spread(more("slowest_told_ms"), "{:,.0f}"),
        "Missed": spread(more("missed"), "{:,.0f}"),
    }


SECTIONS: dict[str, Section] = {
    "open": Section(
        "Latency at a given rate",
        "From the time an event was scheduled to be sent to the time its row is queryable in ClickHouse, "
        "through the real processes; what a busy machine delays counts in full. A rate is not held when more "
        "than 3 s of events wait at the end.",
        _latency,
        "all stored",
    ),
    "trouble": Section(
        "Trouble",
        "Latencies as above, at 1,000 events/s, in one run for each trouble: before it, and during it. Texts "
        "judged: those among the events are judged anew, run after run, without an endpoint of a language "
        "model (times: runs), and with one that takes connections and never answers (times: asked). Corrupt "
        "models: every second a record of garbage and a model whose numbers are NaN on the topic `models`. "
        "Hostile events, beside those that are measured: 100 a second of one user, and 5 a second with texts "
        "of 900 and 30 kB of one word, with control characters, broken UTF-8, NaN or huge numbers.",
        _trouble,
        "all stored",
    ),
    "scored": Section(
        "Scores",
        "From the call that sends a user's event to the API's answer whose scores are of that event: through "
        "the worker, `profiles` and ClickHouse. The API is asked five times a second.",
        _scored,
        "each told",
    ),
    "users": Section(
        "Known users",
        "A burst of events spread evenly over users who are all known already. Restore is from the worker's "
        "start to its last partition opened, joining the group included (2 to 3 s with no state at all). "
        "CPU is counted until their profiles are stored, too.",
        _growth,
        "all stored",
    ),
    "partitions": Section("Partitions", "A burst of events of 50,000 new users.", _growth, "all stored"),
    "workers": Section(
        "Workers",
        "A burst of events of 50,000 new users, 4 partitions. Of newcomers nothing is predicted, so in the "
        "last case they were seen on three days before.",
        _growth,
        "all stored",
    ),
    "queries": Section(
        "Queries",
        "The 95th percentile in ms of 30 askings, one after the other, over events of 30 days of which those "
        "that are over are rolled up, at 23:00 of the last: the overview (of 30 days also the median of 3 "
        "askings before); the stored windows of 24 h by minute and event; the active users of each of 30 "
        "days and of all, as the API tells them, once values of the days that are over are kept (also the "
        "median of 3 askings before); the newest 100 events of one user; the first rows of an export of "
        "everything.",
        _queries,
        "sums right",
    ),
    "capture": Section(
        "Capture",
        "Time that the SDK's `capture()` takes in the caller's thread, at 1,000 events/s. Lost: of the "
        "events whose `capture()` returned before kill -9 of the process, those neither on the topic "
        "nor on disk for the next client.",
        _capture,
        "",
    ),
    "alerts": Section(
        "Alerts",
        "From the broker's append of the event that passes a limit to its append of the alert, by its own "
        "clock. Each trial is a project whose twentieth payment is the one that passes it.",
        _alerts,
        "each fired once",
    ),
    "django": Section(
        "Django",
        "Time that the middleware adds to a request, in one thread: the same view answers the same requests "
        "with and without it, in turns, 250 of each a second.",
        _django,
        "",
    ),
    "feed": Section(
        "Live feed",
        "Idle clients of `/api/analytics/live` that one process of the API serves: the memory that they add "
        "to it, 20 s after the last of them came, beside 10 clients that were there before; then 20 alerts, "
        "a second apart, from before each but the first is published to when the last client has it (the "
        "median of them, and the slowest). Missed: of those alerts, over all clients.",
        _feed,
        "",
    ),
}


def _ways(figures: Sequence[Figure], systems: Sequence[str], earlier: str) -> str:
    lines = [f"## {HOW}\n"]
    known = {
        title: line for line in earlier.splitlines() for title in TITLES.values() if f"**{title}**" in line
    }
    for system in SYSTEMS:
        versions: dict[str, str] = {}
        for figure in _of(figures, system):
            versions |= figure.versions
        named = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
        title = TITLES[system]
        if system in systems:
            lines.append(f"- **{title}**{f' ({named})' if named else ''}: {WAYS[system]}.")
        elif title in known:
            lines.append(known[title])
    return "\n".join(lines) + "\n"


def _of(figures: Iterable[Figure], system: str) -> list[Figure]:
    return [figure for figure in figures if figure.system == system]


def _times(ratio: float | None, digits: int = 1) -> str:
    return f"{ratio:.{digits}f}x" if ratio else ""


def _when(figures: Sequence[Figure]) -> str:
    runs = max(figure.run for figure in figures)
    speed = spread(lambda figure: figure.loop_s, "{:.2f}")(figures)
    told = f"{'Run' if runs == 1 else f'{runs} runs'} on {dates(figures)}"
    return f"{told}, the loop took {speed} s." if speed else f"{told}."
