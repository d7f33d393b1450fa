"""A snapshot as one table: a column for each consumer, a row for each number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeVar

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from loopin_deploy.screen import printable
from loopin_deploy.status.measures import Measure, StepCost
from loopin_deploy.status.snapshot import ConsumerStatus, RoleStatus, Snapshot

HELD: Final = {"profiles": "profiles", "seen": "seen uuids", "windows": "open windows", "series": "series"}
"""Kinds of state, and what they are called."""

MOST_REASONS: Final = 5
MOST_STEPS: Final = 3


class Column(NamedTuple):
    """One consumer of one role; ``first`` for the role's first, which also shows what the process says.

    ``at`` is the snapshot's time, seconds since the epoch.
    """

    name: str
    role: RoleStatus
    consumer: ConsumerStatus
    first: bool
    at: float


Value = Callable[[Column], str]


def _of_role(show: Callable[[RoleStatus], str]) -> Value:
    return lambda column: show(column.role) if column.first else ""


def _of_consumer(show: Callable[[ConsumerStatus], str]) -> Value:
    return lambda column: show(column.consumer)


def _newest_event(column: Column) -> str:
    newest = column.role.newest_event_at
    return ago(column.at - newest) if column.first and newest is not None else ""


ROWS: Final[tuple[tuple[str, Value], ...]] = (
    ("state", _of_role(lambda role: "ready" if role.ready else "not ready" if role.answers else "no answer")),
    ("in", _of_consumer(lambda one: count(one.read))),
    ("in /s", _of_consumer(lambda one: rate(one.rate))),
    ("out", _of_consumer(lambda one: count(one.passed))),
    ("dropped", _of_consumer(lambda one: total(one, one.dropped))),
    ("dead-lettered", _of_consumer(lambda one: total(one, one.dead_lettered))),
    ("late", _of_consumer(lambda one: count(sum(one.late.values())) if one.held else "")),
    ("lag, records", _of_consumer(lambda one: count(one.lag_events))),
    ("lag, time", _of_consumer(lambda one: duration(one.lag_s))),
    ("freshness", _of_role(lambda role: duration(role.freshness_s))),
    ("newest event", _newest_event),
    ("late windows", _of_role(lambda role: repairs(role))),
    ("watermark delay", _of_consumer(lambda one: duration(one.watermark_delay_s))),
    ("batch, records", _of_consumer(lambda one: mean_size(one.batch_events or one.insert_rows))),
    ("batch, time", _of_consumer(lambda one: span(one.batch_s.mean if one.batch_s else None))),
    ("insert, mean", _of_consumer(lambda one: span(one.insert_s.mean if one.insert_s else None))),
    ("insert, p99", _of_consumer(lambda one: span(one.insert_s.p99 if one.insert_s else None))),
    ("step cost", _of_role(lambda role: cost(total_cost(role.steps)))),
    *(
        (name, _of_consumer(lambda one, kind=kind: count(one.held.get(kind))))  # type: ignore[misc]  # not inferred
        for kind, name in HELD.items()
    ),
    ("memory", _of_role(lambda role: memory(role.memory_bytes))),
    ("CPU", _of_role(lambda role: "" if role.cpu is None else f"{role.cpu:.0%}")),
)
"""Every row: its name, and what it shows in a column. One that shows nothing in any is left out."""


class StatusView:
    """A snapshot as it fits the terminal: tables side by side as far as they go, then below each other."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _title(self._snapshot)
        names = _names(self._snapshot)
        columns = list(_columns(self._snapshot, names))
        roomy = options.update_width(10_000)
        while columns:
            taken = len(columns)
            while taken > 1 and _width(console, roomy, columns[:taken]) > options.max_width:
                taken = _fewer(columns, taken)
            yield _table(columns[:taken])
            columns = columns[taken:]
            if columns:
                yield ""
                # A role that did not fit is named and shown again.
                columns[0] = columns[0]._replace(first=True)
        yield Group(*_remarks(self._snapshot, names))


def repairs(role: RoleStatus) -> str:
    """How many windows wait to be recomputed because of late events; nothing of none."""
    if role.repairs_failing:
        return "failing"
    return count(role.repairs_pending) if role.repairs_pending else ""


def count(number: int | None) -> str:
    """A number in full, from ten millions on rounded."""
    if number is None:
        return ""
    if number < 10_000_000:
        return f"{number:,}"
    return f"{number / 1e6:,.1f}M" if number < 10_000_000_000 else f"{number / 1e9:,.1f}G"


def rate(per_second: float | None) -> str:
    """A number a second."""
    return "" if per_second is None else count(round(per_second))


def duration(seconds: float | None) -> str:
    """Seconds, of long times hours and minutes."""
    if seconds is None:
        return ""
    if seconds < 600:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def span(seconds: float | None) -> str:
    """As :func:`duration`, and milliseconds of what is below a second."""
    if seconds is None or seconds >= 0.9995:
        return duration(seconds)
    return f"{1e3 * seconds:.1f} ms" if seconds < 0.00995 else f"{1e3 * seconds:.0f} ms"


def ago(seconds: float) -> str:
    """How long ago, in nine characters; what is ahead of this clock is now."""
    if seconds < 999.5:
        return f"{max(0.0, seconds):.0f} s ago"
    hours = seconds / 3600
    if hours < 9.95:
        return f"{hours:.1f} h ago"
    return f"{hours:.0f} h ago" if hours < 48 else f"{hours / 24:.0f} d ago"


def mean_size(measure: Measure | None) -> str:
    """A mean number of records; with one decimal of small ones."""
    mean = None if measure is None else measure.mean
    if mean is None:
        return ""
    return f"{mean:.1f}" if mean < 99.95 else count(round(mean))


def cost(microseconds: float | None) -> str:
    """Processor time of one event."""
    if microseconds is None:
        return ""
    return f"{microseconds:.1f} us" if microseconds < 99.95 else f"{count(round(microseconds))} us"


def total_cost(steps: Mapping[str, StepCost]) -> float | None:
    """Microseconds of an event that goes through all steps; None before the first one."""
    known = [step.us_per_event for step in steps.values() if step.us_per_event is not None]
    return sum(known) if known else None


def memory(size: int | None) -> str:
    """Megabytes of 2^20."""
    return "" if size is None else f"{size >> 20:,} MB"


def total(one: ConsumerStatus, by_reason: dict[str, int]) -> str:
    """The sum; nothing of a consumer that says nothing of events."""
    return "" if one.read is None else count(sum(by_reason.values()))


def _title(snapshot: Snapshot) -> Text:
    at = datetime.fromtimestamp(snapshot.at, UTC)
    unready = sum(not role.ready for role in snapshot.roles)
    if unready:
        said = (f"{unready} of {len(snapshot.roles)} not ready", "red")
    elif any(role.repairs_failing for role in snapshot.roles):
        said = ("all ready, but late windows cannot be recomputed", "yellow")
    else:
        said = ("all ready", "green")
    return Text.assemble((f"{at:%Y-%m-%d %H:%M:%S} UTC  ", "dim"), said)


def _names(snapshot: Snapshot) -> list[str]:
    """What the roles are called: numbered in their order where there are several of a kind."""
    kinds = [role.role for role in snapshot.roles]
    return [
        f"{kind} {kinds[: at + 1].count(kind)}" if kinds.count(kind) > 1 else kind
        for at, kind in enumerate(kinds)
    ]


def _columns(snapshot: Snapshot, names: Sequence[str]) -> Iterator[Column]:
    for name, role in zip(names, snapshot.roles, strict=True):
        for at, consumer in enumerate(role.consumers or [ConsumerStatus("")]):
            yield Column(name, role, consumer, at == 0, snapshot.at)


def _fewer(columns: Sequence[Column], taken: int) -> int:
    """How many columns to try next: without the last role or, of a single one, without a consumer."""
    begins = [at for at in range(1, taken) if columns[at].first]
    return begins[-1] if begins else taken - 1


def _width(console: Console, options: ConsoleOptions, columns: Sequence[Column]) -> int:
    return Measurement.get(console, options, _table(columns)).maximum


def _table(columns: Sequence[Column]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    table.add_column(style="bold", no_wrap=True)
    for column in columns:
        role = column.name if column.first else ""
        heading = Text(f"{printable(role)}\n{printable(column.consumer.consumer)}")
        # As wide as most numbers get, so that the columns stand still while they grow.
        table.add_column(heading, justify="right", no_wrap=True, min_width=9)
    for name, show in ROWS:
        cells = [show(column) for column in columns]
        if any(cells):
            table.add_row(name, *(Text(cell, style=_style(name, cell)) for cell in cells))
    return table


def _style(row: str, cell: str) -> str:
    if row == "state":
        return "green" if cell == "ready" else "red"
    if row == "late windows":
        return "red" if cell == "failing" else ""
    return "yellow" if row == "dead-lettered" and cell not in ("", "0") else ""


def _remarks(snapshot: Snapshot, names: Sequence[str]) -> Iterator[Text]:
    """Why roles are not ready, which of several is where, why records were left out, and what steps cost."""
    for name, role in zip(names, snapshot.roles, strict=True):
        if role.reason is not None:
            style = "yellow" if role.ready else "red"
            yield Text.assemble((f"{printable(name)}: ", style), printable(role.reason))
        if role.repairs_failing:
            waiting = f" ({count(role.repairs_pending)} wait)" if role.repairs_pending else ""
            said = f"late windows cannot be recomputed{waiting}: its log says why."
            yield Text.assemble((f"{printable(name)}: ", "yellow"), said)
    numbered = [name for name, role in zip(names, snapshot.roles, strict=True) if name != role.role]
    if numbered:
        where = (f"{name} {role.url}" for name, role in zip(names, snapshot.roles, strict=True))
        yield Text(printable(", ".join(where)), style="dim")
    for name, role in zip(names, snapshot.roles, strict=True):
        for one in role.consumers:
            for what, by_reason in (("dropped", one.dropped), ("dead-lettered", one.dead_lettered)):
                yield from _most(f"{name}, {one.consumer}, {what}", by_reason, count, MOST_REASONS)
        costs = {step: one.us_per_event for step, one in role.steps.items() if one.us_per_event is not None}
        yield from _most(f"{name}, steps", costs, cost, MOST_STEPS)


Number = TypeVar("Number", int, float)


def _most(
    whose: str, numbers: Mapping[str, Number], show: Callable[[Number], str], most: int
) -> Iterator[Text]:
    """The highest of the numbers by name, in one line; nothing of none."""
    if numbers:
        ordered = sorted(numbers.items(), key=lambda item: -item[1])
        shown = ", ".join(f"{name} {show(number)}" for name, number in ordered[:most])
        more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
        yield Text(f"{printable(whose)}: {printable(shown)}{more}", style="dim")
