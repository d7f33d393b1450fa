"""The screen of ``loopin watch``, for terminals from 80 x 24 on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from math import ceil
from typing import Final, NamedTuple

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Column, Table
from rich.text import Text

from loopin_deploy.screen import printable, verbatim
from loopin_deploy.watch.alerts import AlertLine, told
from loopin_deploy.watch.state import MINUTES, Totals, WatchState, failing
from loopin_schemas.metrics import by_name

BARS: Final = "▁▂▃▄▅▆▇█"
STYLES: Final = {"critical": "bold red", "warning": "yellow", "looked after": "cyan", "resolved": "green"}
LINES: Final = 40
"""Height where there is no terminal."""

PAYMENTS: Final = "payment_failure_rate"

_FIXED: Final = 13
"""Lines beside those of the lists: title, numbers, courses, headings and the space between."""

_NOTE: Final = 3
"""Lines of a note, with the space before it."""

_LEAST: Final = 3
"""Lines that each list has at the least, where there is so much in it."""


class WatchView:
    """The state at a time, as it fits the terminal; below it a note, if there is one."""

    def __init__(self, state: WatchState, now: datetime, note: str = "") -> None:
        self._state = state
        self._now = now
        self._note = note

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        state, now = self._state, self._now
        height = options.height or (console.height if console.is_terminal else LINES)
        room = max(2 * _LEAST, height - _FIXED - (_NOTE if self._note else 0))
        title, top = state.top_events(now, room)
        alerts = state.alerts
        rows = min(
            max(len(top), len(state.communities), 1),
            max(min(room // 2, room - _LEAST), room - max(1, len(alerts))),
        )
        yield _title(state, now)
        yield ""
        yield _numbers(state, now)
        yield ""
        yield from _courses(state.last_minutes(now))
        yield ""
        yield _lists((title, top[:rows]), state.communities[:rows])
        yield ""
        yield _alerts(alerts[: room - rows], now)
        if self._note:
            yield ""
            yield from _wrapped(self._note, options.max_width)


def sparkline(numbers: Sequence[float]) -> str:
    """One character a number; the lowest for 0 only, the highest for the greatest."""
    most = max(numbers, default=0)
    return "".join(BARS[ceil(number / most * (len(BARS) - 1)) if most > 0 else 0] for number in numbers)


def duration(seconds: float) -> str:
    """As a person reads it: 12 s, 2:05 min, 3:10 h, 5 d."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    if whole < 86_400:
        return f"{whole // 3600}:{whole % 3600 // 60:02} h"
    return f"{whole // 86_400} d"


class _Tile(NamedTuple):
    """A number with what it is, and what is said beside it."""

    name: str
    value: str
    more: str
    style: str = ""


def _title(state: WatchState, now: datetime) -> Text:
    title = Text.assemble((printable(state.project), "bold"), f"  {now:%H:%M:%S} UTC  ")
    title.no_wrap, title.overflow = True, "ellipsis"
    if state.lost is None:
        return title.append("live" if state.connected else "", style="green")
    return title.append(f"not connected ({printable(state.lost)[:200]}): trying again", style="red")


def _numbers(state: WatchState, now: datetime) -> Table:
    *_, last, current = state.last_minutes(now)
    today, (share, minutes) = state.today, state.failed_payments(now)
    users = max(last.active_users or 0, current.active_users or 0)
    revenue = "-" if today.revenue is None else f"{today.revenue:,.0f}"
    shown = (
        _Tile("events/s", f"{state.events_per_s(now):,.1f}", f"{last.happened:,}/min"),
        _Tile("active users", f"{users:,}", f"{_count(today.active_users)} today"),
        _Tile("revenue", revenue, f"{state.currency} today"),
        _Tile("failed pay", told(PAYMENTS, share), f"last {minutes} min" if minutes else "", _bad(share)),
        _Tile("online", _count(state.online), "members"),
        _Tile("sentiment", "-" if today.sentiment is None else f"{today.sentiment:+.2f}", "today"),
    )
    table = Table(box=None, expand=True, show_header=False, padding=(0, 1, 0, 0))
    for _ in shown:
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_row(*(Text(tile.name, style="dim") for tile in shown))
    table.add_row(*(Text(tile.value, style=f"bold {tile.style}") for tile in shown))
    table.add_row(*(Text(printable(tile.more), style="dim") for tile in shown))
    return table


def _bad(share: float | None) -> str:
    """The colour of a share of failed payments, by the metric's own limits."""
    metric = by_name(PAYMENTS)
    assert metric is not None
    for limit, severity in ((metric.critical, "critical"), (metric.warning, "warning")):
        if share is not None and limit is not None and share >= limit:
            return STYLES[severity]
    return ""


def _courses(minutes: Sequence[Totals]) -> Iterable[Text]:
    yield _course("events a minute", [one.happened for one in minutes], "most {:,}")
    yield _course("users a minute", [one.active_users or 0 for one in minutes], "most {:,}")
    failed = [failing([one]) for one in minutes]
    # Before the feed has told of payments, nobody knows.
    most = "-" if all(share is None for share in failed) else "most {:.0%}"
    yield _course("failed payments", [share or 0 for share in failed], most, "red" if any(failed) else "cyan")


def _course(name: str, numbers: Sequence[float], most: str, style: str = "cyan") -> Text:
    return Text.assemble(
        (f"{name:<16}", "dim"),
        (sparkline(numbers), style),
        (f"  {most.format(max(numbers))} in {MINUTES} min", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )


def _lists(events: tuple[str, list[tuple[str, int]]], online: list[tuple[str, int]]) -> Table:
    table = Table(box=None, expand=True, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(ratio=1)
    table.add_column(ratio=1)
    communities = [(name if "community" in name else f"community {name}", count) for name, count in online]
    table.add_row(_list(*events), _list("Online now", communities))
    return table


def _list(title: str, rows: Iterable[tuple[str, int]]) -> Table:
    table = Table(box=None, expand=True, padding=0, header_style="bold")
    table.add_column(title, ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("", justify="right", no_wrap=True)
    for name, count in rows:
        table.add_row(Text(printable(name)), f"{count:,}")
    return table


def _alerts(lines: Sequence[AlertLine], now: datetime) -> Table:
    table = Table(
        Column("Alerts", no_wrap=True, width=12),
        Column("", no_wrap=True, width=8),
        Column("", ratio=1, no_wrap=True, overflow="ellipsis"),
        Column("value" if lines else "", justify="right", no_wrap=True),
        Column("limit" if lines else "", justify="right", no_wrap=True),
        Column("for" if lines else "", justify="right", no_wrap=True),
        box=None,
        expand=True,
        padding=(0, 2, 0, 0),
        header_style="bold",
    )
    if not lines:
        table.add_row(Text("none", style="dim"))
    for line in lines:
        style = STYLES[line.what]
        table.add_row(
            Text(line.what, style=style if line.open else f"{style} not bold"),
            Text(_at(line.at, now), style="dim"),
            verbatim(line.about),
            line.value,
            line.limit,
            duration(line.lasted_s(now)),
            style="" if line.open or line.what == "resolved" else "dim",
        )
    return table


def _at(at: datetime, now: datetime) -> str:
    """The time, or of another day the date, UTC."""
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%d %b}"


def _wrapped(note: str, width: int) -> Iterable[Text]:
    """The first lines of a note."""
    lines = Text(printable(note), style="italic cyan").wrap(Console(width=width), width)
    yield from lines[: _NOTE - 1]


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"
