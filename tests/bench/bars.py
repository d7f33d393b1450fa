"""What the figures are to reach, and by how much they miss it.

The bars are the project's targets for two cores with the broker on the same machine. They hold for the sizes
that they name, so a scaled run has no word on those it does not reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tests.bench.figures import Figure
from tests.bench.tables import Runs, Value, middle, more

Found = Callable[[Runs, Mapping[str, Runs]], float | None]
"""A number from a row's figures and those of all rows by name; None where it was not measured."""


class Bar(NamedTuple):
    """One target: ``what`` to reach, in words; ``limit`` is the least or the most that ``found`` may be."""

    what: str
    limit: float
    found: Found
    least: bool = False

    def said(self, runs: Runs, rows: Mapping[str, Runs]) -> str:
        """The target, and whether it was met."""
        return f"{self.what}: {self._outcome(runs, self.found(runs, rows))}"

    def _outcome(self, runs: Runs, found: float | None) -> str:
        if found is None:
            return "missed" if any(run.not_held for run in runs) else "not measured"
        if found >= self.limit if self.least else found <= self.limit:
            return "met"
        if self.limit == 0:
            return f"**missed: {found:,.0f}**"
        short = 1 - found / self.limit if self.least else found / self.limit - 1
        if short >= 1:
            return f"**missed: {found / self.limit:.1f} times the bar**"
        return f"**missed by {100 * short:.0f} %**" if short >= 0.01 else "**missed by less than 1 %**"


def bar(runs: Runs, rows: Mapping[str, Runs]) -> str:
    """What a row is to reach, given all rows of its table by system or case; "" where nothing is set."""
    row = runs[0].job, runs[0].case or runs[0].system
    return "; ".join(one.said(runs, rows) for one in BARS.get(row, ()))


def _own(value: Value) -> Found:
    return lambda runs, rows: middle(runs, value)


def times(runs: Runs, rows: Mapping[str, Runs]) -> float | None:
    """How many times as fast as the row's system this project is."""
    ours, theirs = middle(rows.get("loopin", ()), events_per_s), middle(runs, events_per_s)
    return ours / theirs if ours and theirs else None


def of_the_first(runs: Runs, rows: Mapping[str, Runs]) -> float | None:
    """CPU per event, as a multiple of the first row's."""
    here, first = middle(runs, cpu_us), middle(next(iter(rows.values())), cpu_us)
    return here / first if here and first else None


def events_per_s(figure: Figure) -> float | None:
    """By the wall clock."""
    return figure.events_per_s


def cpu_us(figure: Figure) -> float | None:
    """Of the system's processes, per event."""
    return figure.cpu_us_per_event


def worker_mb(figure: Figure) -> float | None:
    """The greatest memory of a worker."""
    return max(of_workers(figure, "rss_mb"), default=None)


def of_workers(figure: Figure, what: str) -> list[float]:
    """A further number of each worker."""
    return [value for name, value in figure.more.items() if name.startswith("stream") and name.endswith(what)]


def _slowest_ms(figure: Figure) -> float | None:
    """The greatest p95 of the overview and the dashboard's queries; an export is a download."""
    found = [ms for name, ms in figure.more.items() if name.endswith("_p95_ms") and name != "export_p95_ms"]
    return max(found, default=None)


_CAPTURE = Bar("p99 <= 100 us", 100.0, _own(more("p99_us")))
_DJANGO = Bar("p50 <= 0.2 ms added", 200.0, _own(more("added_p50_us")))

_NO_LOSS = Bar("0 lost", 0.0, _own(more("lost")))

_STEADY = (Bar("p99 rises <= 10 %", 10.0, _own(more("rise_percent"))),)

_FEED = (
    Bar("<= 100 MB added", 100.0, _own(more("added_mb"))),
    Bar("0 missed", 0.0, _own(more("missed"))),
)

BARS: Mapping[tuple[str, str], tuple[Bar, ...]] = {
    ("J0", "quix"): (Bar(">= 2x", 2.0, times, least=True),),
    ("J0", "faust"): (Bar(">= 25x", 25.0, times, least=True),),
    ("J2", "loopin"): (
        Bar(">= 50,000 events/s", 50_000.0, _own(events_per_s), least=True),
        Bar("with all models >= 30,000 events/s", 30_000.0, _own(events_per_s), least=True),
    ),
    ("J2", "quix"): (Bar(">= 2x", 2.0, times, least=True),),
    ("open", "5,000 events/s"): (Bar("p99 <= 2 s", 2000.0, _own(more("p99_ms"))),),
    ("alerts", "2,000 events/s"): (Bar("p99 <= 5 s", 5000.0, _own(more("p99_ms"))),),
    ("scored", "1,000 events/s"): (Bar("p99 <= 2 s", 2000.0, _own(more("p99_ms"))),),
    ("trouble", "texts judged: during"): _STEADY,
    ("trouble", "texts judged, the endpoint hangs: during"): _STEADY,
    ("trouble", "corrupt models: during"): _STEADY,
    ("trouble", "hostile events: during"): _STEADY,
    ("users", "1,000,000 known users"): (
        Bar("a worker <= 600 MB", 600.0, _own(worker_mb)),
        Bar("all <= 4 GB", 4000.0, _own(lambda figure: figure.rss_mb)),
        Bar("CPU <= 1.1x of 10,000 users'", 1.1, of_the_first),
    ),
    ("queries", "10,000,000 events"): (
        Bar("every p95 but the export's <= 300 ms", 300.0, _own(_slowest_ms)),
    ),
    ("capture", "broker up"): (_CAPTURE,),
    ("capture", "broker down"): (_CAPTURE,),
    ("capture", "broker coming back"): (_CAPTURE,),
    ("capture", "kill -9, durable, broker up"): (_NO_LOSS,),
    ("capture", "kill -9, durable, broker down"): (_NO_LOSS,),
    ("django", "broker up"): (_DJANGO,),
    ("django", "broker down"): (_DJANGO,),
    ("feed", "1,000 clients, SSE"): _FEED,
    ("feed", "1,000 clients, WebSocket"): _FEED,
}
"""By job and row, which is a system or a case."""
