"""Shows the demo's live part until Ctrl-C: on a terminal as ``loopin watch`` does, elsewhere line by line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live

from loopin_deploy.api_client import ApiClient
from loopin_deploy.live_demo.live_demo import LiveDemo, let_it_fire_again, live_demo
from loopin_deploy.live_demo.scene import METRIC
from loopin_deploy.screen import printable
from loopin_deploy.stack import Stack
from loopin_deploy.watch.alerts import AlertLine, told
from loopin_deploy.watch.state import WatchState
from loopin_deploy.watch.view import WatchView
from loopin_deploy.watch.watching import REFRESH_S, Watching
from loopin_producers import Loopin
from loopin_streams.kafka.settings import KafkaSettings

READ_S: Final = 12
"""What stands on the screen can be read for so long before the view takes its place."""

NOTICE_S: Final = 15.0
TELL_S: Final = 10.0


class Notices:
    """What the supervisor says: at once, or while a view has the screen, in the view."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._held: list[tuple[float, str]] | None = None

    def tell(self, notice: str) -> None:
        """One sentence."""
        if self._held is not None:
            self._held.append((time.monotonic(), notice))
        else:
            self._console.print(
                printable(notice), style="yellow", highlight=False, markup=False, soft_wrap=True
            )

    @property
    def newest(self) -> str:
        """The newest one that a view has to show, for a while."""
        at, notice = self._held[-1] if self._held else (0.0, "")
        return notice if time.monotonic() - at < NOTICE_S else ""

    @contextmanager
    def held(self) -> Iterator[None]:
        """A view has the screen; what came meanwhile is said after it."""
        self._held = []
        try:
            yield
        finally:
            notices, self._held = self._held, None
            for _, notice in notices:
                self.tell(notice)


@contextmanager
def going_on(stack: Stack, project: str, progress: Path) -> Iterator[tuple[Watching, LiveDemo]]:
    """The live part at work, and what the API tells of it.

    Raises:
        DeployError: the API does not answer, or refuses.
    """
    state, key = stack.state, stack.secrets.personal_key(project)
    let_it_fire_again(ApiClient(state.api_url, key))
    watching = Watching(project, state.api_url, key)
    watching.listen()
    settings = KafkaSettings(kafka_bootstrap=state.bootstrap)
    with (
        Loopin(
            settings.kafka_bootstrap,
            project,
            topic_prefix=settings.topic_prefix,
            disabled=False,
            spool=False,
        ) as client,
        live_demo(client, progress / "live.json", lambda: watching.state.severity(METRIC)) as demo,
    ):
        yield watching, demo


async def show_view(watching: Watching, demo: LiveDemo, console: Console, notices: Notices) -> None:
    """The view, when what is on the screen has been there for a moment; its last picture stays there."""
    with console.status("") as status:
        for left_s in range(READ_S, 0, -1):
            status.update(f"The live view begins in {left_s} s. Ctrl-C ends everything.")
            await asyncio.sleep(1)
    try:
        with notices.held(), Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                note = notices.newest or f"Simulated. {demo.says} Ctrl-C ends everything."
                live.update(WatchView(watching.state, datetime.now(UTC), note), refresh=True)
                await asyncio.sleep(REFRESH_S)
                await asyncio.to_thread(watching.catch_up)
    finally:
        # Room for what is said after it.
        console.print(WatchView(watching.state, datetime.now(UTC)), height=console.height - 3)


async def tell_lines(watching: Watching, demo: LiveDemo, console: Console) -> None:
    """What happens to alerts as it happens, what is simulated, and now and then the numbers."""

    def tell(text: str) -> None:
        console.print(printable(text), highlight=False, markup=False, soft_wrap=True)

    known = {(line.id, line.sequence) for line in watching.state.alerts}
    act, told_at = "", 0.0
    while True:
        await asyncio.to_thread(watching.catch_up)
        now = datetime.now(UTC)
        if demo.act != act:
            act = demo.act
            tell(f"{now:%H:%M:%S} simulated  {demo.says}")
        for line in reversed(watching.state.alerts):
            if (line.id, line.sequence) not in known:
                known.add((line.id, line.sequence))
                tell(alert_text(line))
        if now.timestamp() - told_at >= TELL_S:
            told_at = now.timestamp()
            tell(numbers_text(watching.state, now))
        await asyncio.sleep(REFRESH_S)


def alert_text(line: AlertLine) -> str:
    """What happened to an alert, on a line."""
    return f"{line.at:%H:%M:%S} {line.what:<10} {line.about} is {line.value} (limit {line.limit})"


def numbers_text(state: WatchState, now: datetime) -> str:
    """The numbers of now, on a line."""
    *_, last, current = state.last_minutes(now)
    users = max(last.active_users or 0, current.active_users or 0)
    share, _ = state.failed_payments(now)
    return (
        f"{now:%H:%M:%S} now        {state.events_per_s(now):.1f} events/s, {users:,} active users, "
        f"revenue today {state.today.revenue or 0:,.0f} {state.currency}, "
        f"failed payments {told(METRIC, share)}, {state.online or 0:,} online"
    )
