"""The screen of ``loopin watch``, for terminals from 80 x 24 on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from math import ceil
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from loopin_deploy.screen import printable
from loopin_deploy.watch.state import MINUTES, ShownAlert, WatchState, failed_payments

BARS: Final = "▁▂▃▄▅▆▇█"
SEVERITIES: Final = {"critical": "bold red", "warning": "yellow", "resolved": "green"}
LINES: Final = 40
"""Height where there is no terminal."""

_FIXED: Final = 12
"""Lines beside those of the lists: title, numbers, two courses, headings and the space between."""


class WatchView:
    """The state at a time, as it fits the terminal."""

    def __init__(self, state: WatchState, now: datetime) -> None:
        self._state = state
        self._now = now

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        state, now = self._state, self._now
        height = options.height or (console.height if console.is_terminal else LINES)
        room = max(6, height - _FIXED)
        title, top = state.top_events(now, room)
        rows = min(max(len(top), len(state.communities)), max(room // 2, room - max(1, len(state.alerts))))
        yield _title(state, now)
        yield ""
        yield _numbers(state, now)
        yield ""
        minutes = state.last_minutes(now)
        yield _course("events a minute", [one.happened for one in minutes])
        yield _course("users a minute", [one.active_users or 0 for one in minutes])
        yield ""
        yield _lists((title, top[:rows]), state.communities[:rows])
        yield ""
        yield Text("Newest alerts", style="bold")
        yield from _alerts(state.alerts[: room - rows])


def sparkline(numbers: Sequence[float]) -> str:
    """One character a number; the lowest for 0 only, the highest for the greatest."""
    most = max(numbers, default=0)
    return "".join(BARS[ceil(number / most * (len(BARS) - 1)) if most > 0 else 0] for number in numbers)


def _title(state: WatchState, now: datetime) -> Text:
    title = Text.assemble((printable(state.project), "bold"), f"  {now:%H:%M:%S} UTC  ")
    if state.lost is None:
        return title.append("live" if state.connected else "", style="green")
    return title.append(f"not connected ({printable(state.lost)[:200]}): trying again", style="red")


def _numbers(state: WatchState, now: datetime) -> Table:
    *_, last, current = state.last_minutes(now)
    today, share = state.today, failed_payments(state.today)
    shown = (
        ("events/min", f"{last.happened:,}", f"{current.happened:,} so far"),
        ("users today", _count(today.active_users), "active"),
        ("revenue today", "-" if today.revenue is None else f"{today.revenue:,.2f}", state.currency),
        ("sentiment", "-" if today.sentiment is None else f"{today.sentiment:+.2f}", "today"),
        ("failed pay", "-" if share is None else f"{share:.1%}", "today"),
        ("online", _count(state.online), "members"),
    )
    table = Table(box=None, expand=True, show_header=False, padding=(0, 1, 0, 0))
    for _ in shown:
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_row(*(Text(name, style="dim") for name, _, _ in shown))
    table.add_row(*(Text(value, style="bold") for _, value, _ in shown))
    table.add_row(*(Text(printable(unit), style="dim") for _, _, unit in shown))
    return table


def _course(name: str, numbers: Sequence[int]) -> Text:
    return Text.assemble(
        (f"{name:<16}", "dim"),
        (sparkline(numbers), "cyan"),
        (f"  most {max(numbers):,} in {MINUTES} min", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )


def _lists(events: tuple[str, list[tuple[str, int]]], online: list[tuple[str, int]]) -> Table:
    table = Table(box=None, expand=True, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(ratio=1)
    table.add_column(ratio=1)
    communities = [(f"community {name}", count) for name, count in online]
    table.add_row(_list(*events), _list("Online now", communities))
    return table


def _list(title: str, rows: Iterable[tuple[str, int]]) -> Table:
    table = Table(box=None, expand=True, padding=0, header_style="bold")
    table.add_column(title, ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("", justify="right", no_wrap=True)
    for name, count in rows:
        table.add_row(Text(printable(name)), f"{count:,}")
    return table


def _alerts(alerts: Sequence[ShownAlert]) -> Iterable[Text]:
    if not alerts:
        yield Text("none", style="dim")
    for one in alerts:
        at = f"{one.at:%H:%M:%S}" if one.at else "firing  "
        severity = printable(one.severity)[:8]
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{at}  ", style="dim").append(f"{severity:<9}", style=SEVERITIES.get(one.severity, ""))
        yield line.append(printable(one.text))


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"
