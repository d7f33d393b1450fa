"""The raw figures: what each run of a job says, and the file that keeps them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec


class Figure(msgspec.Struct, kw_only=True):
    """One run of one job by one system.

    Args:
        job: J0, J1, J2, open, users, partitions, workers, queries, capture, django or feed.
        system: who ran it.
        run: number of the run, from 1.
        case: the variant within the job, such as ``10000 users``.
        events: how many were measured.
        events_per_s: by the wall clock, from the first record to the last one worked off.
        cpu_us_per_event: user and system time of the system's whole process tree, from before it connected.
        rss_mb: greatest resident memory of that tree, start included (MB of 10^6 bytes).
        broker_cpu_us_per_event: the broker's CPU time meanwhile.
        start_cpu_s: CPU seconds of the imports, which are not in the others.
        wrong: how the result differs from the oracle; empty where it is equal.
        not_held: how far a run at a given rate was behind at its end; empty where it held the rate.
        more: further numbers of the job.
        loop_s: the machine's speed when the command began, see ``machine.loop_s``.
        date: of the run, ISO 8601.
        versions: of the packages that did it.
    """

    job: str
    system: str
    run: int
    case: str = ""
    events: int = 0
    events_per_s: float | None = None
    cpu_us_per_event: float | None = None
    rss_mb: float | None = None
    broker_cpu_us_per_event: float | None = None
    start_cpu_s: float | None = None
    wrong: str = ""
    not_held: str = ""
    more: dict[str, float] = {}
    loop_s: float | None = None
    date: str = msgspec.field(default_factory=lambda: datetime.now(UTC).date().isoformat())
    versions: dict[str, str] = {}


def line(figure: Figure) -> str:
    """A figure as one line for the terminal."""
    parts = [f"{figure.job} {figure.system} run {figure.run}:", figure.case]
    if figure.events_per_s is not None:
        parts.append(f"{figure.events_per_s:,.0f} events/s,")
    if figure.cpu_us_per_event is not None:
        parts.append(f"{figure.cpu_us_per_event:.1f} us CPU an event")
        parts.append(f"(broker {figure.broker_cpu_us_per_event or 0:.1f}),")
    if figure.rss_mb is not None:
        parts.append(f"{figure.rss_mb:.0f} MB;")
    parts += [f"{name} {number:,.1f}" for name, number in figure.more.items()]
    parts.append(f"not held: {figure.not_held}" if figure.not_held else "")
    parts.append(f"WRONG: {figure.wrong}" if figure.wrong else "right")
    return " ".join(part for part in parts if part)


def save(figures: list[Figure], path: Path) -> None:
    """Write the figures as a JSON list of objects, all fields of each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = [msgspec.structs.asdict(figure) for figure in figures]
    path.write_bytes(msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n")


def load(path: Path) -> list[Figure]:
    """The figures of earlier commands, if there are any."""
    return msgspec.json.decode(path.read_bytes(), type=list[Figure]) if path.exists() else []


def merged(earlier: list[Figure], new: list[Figure], runs: int) -> list[Figure]:
    """All figures, in which a case that a system has run ``runs`` times anew replaces its earlier ones.

    What an interrupted command has of a case is kept only where there was nothing: the median of one run must
    not take the place of that of three.
    """
    ran, known = Counter(map(_case, new)), set(map(_case, earlier))
    kept = [figure for figure in new if ran[_case(figure)] >= runs or _case(figure) not in known]
    again = set(map(_case, kept))
    found = [figure for figure in earlier if _case(figure) not in again] + kept
    order = {case: place for place, case in enumerate(dict.fromkeys(map(_case, [*earlier, *new])))}
    return sorted(found, key=lambda figure: order[_case(figure)])


def _case(figure: Figure) -> tuple[str, str, str]:
    return figure.job, figure.system, figure.case
