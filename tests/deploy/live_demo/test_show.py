"""What the live part tells where it has no screen, and what a supervisor says while a view has it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from rich.console import Console

from loopin_deploy.api_client import ApiClient
from loopin_deploy.live_client import LiveEvent
from loopin_deploy.live_demo import show
from loopin_deploy.live_demo.live_demo import LiveDemo, let_it_fire_again
from loopin_deploy.live_demo.show import Notices, tell_lines
from loopin_deploy.watch.state import WatchState
from loopin_deploy.watch.watching import Watching

AT_MS = 1_768_473_000_000


class Told:
    """A state to which something happens at each look; the last look ends the telling."""

    def __init__(self, looks: list[Callable[[], object]]) -> None:
        self.state = WatchState("demo")
        self._looks = looks

    def catch_up(self) -> None:
        if not self._looks:
            raise EOFError
        self._looks.pop(0)()


class Acting:
    act, says = "opening", "A sale."


def alert(severity: str, sequence: int, state: str = "firing", **changed: Any) -> LiveEvent:
    given = {
        "id": "a", "sequence": sequence, "state": state, "severity": severity,
        "metric": "payment_failure_rate",
        "value": 0.213, "threshold": 0.2, "fired_at": AT_MS, "at": AT_MS + sequence * 1000,
    }  # fmt: skip
    return LiveEvent("alert", "", {**given, **changed})


def test_without_a_screen_it_tells_what_happens_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "REFRESH_S", 0.0)
    acting, told = Acting(), Told([])
    told.state.take(alert("warning", 1, id="earlier"))

    def later() -> None:
        acting.act, acting.says = "failing", "It [b]fails\x1b."
        told.state.take(alert("critical", 2))

    told._looks = [
        lambda: told.state.take(alert("warning", 1, value=0.101, threshold=0.1)),
        later,
        lambda: told.state.take(alert("critical", 3, "resolved", value=0.08)),
    ]
    console = Console(file=io.StringIO(), width=40)
    with pytest.raises(EOFError):
        asyncio.run(tell_lines(cast(Watching, told), cast(LiveDemo, acting), console))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert [line[9:] for line in lines] == [
        "simulated  A sale.",
        "warning    payment_failure_rate is 10.1% (limit 10.0%)",
        "now        0.0 events/s, 0 active users, revenue today 0 , failed payments -, 0 online",
        "simulated  It [b]fails\\x1b.",
        "critical   payment_failure_rate is 21.3% (limit 20.0%)",
        "resolved   payment_failure_rate is 8.0% (limit 20.0%)",
    ]
    assert lines[4].startswith(f"{datetime.fromtimestamp(AT_MS / 1000 + 2, UTC):%H:%M:%S} ")


def test_a_notice_waits_for_the_end_of_a_view() -> None:
    console = Console(file=io.StringIO(), width=200)
    assert isinstance(console.file, io.StringIO)
    notices = Notices(console)
    notices.tell("The worker died.")
    with notices.held():
        assert notices.newest == ""
        notices.tell("The store died.")
        notices.tell("It is started again.")
        assert notices.newest == "It is started again."
        assert console.file.getvalue() == "The worker died.\n"
    assert console.file.getvalue() == "The worker died.\nThe store died.\nIt is started again.\n"
    assert notices.newest == ""


@pytest.mark.parametrize(("quiet_s", "changes"), [(3600, [{"quiet_s": 0}]), (0, [])])
def test_the_rule_is_changed_once(quiet_s: int, changes: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def ask(_: ApiClient, *arguments: Any) -> dict[str, int]:
        asked.append(arguments)
        return {"quiet_s": quiet_s}

    monkeypatch.setattr(ApiClient, "ask", ask)
    let_it_fire_again(ApiClient("http://x", "k"))
    path = "/api/analytics/alert-rules/payment_failure_rate"
    assert asked == [("GET", path), *(("PATCH", path, change) for change in changes)]
