"""A real file through the whole system while its processes are killed: every event counts once."""

from __future__ import annotations

import asyncio
import csv
import gzip
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from loopin_deploy.api_client import ApiClient
from loopin_deploy.data_folder import open_data_folder
from loopin_deploy.stack import Plan, Ports, Stack, running_stack
from loopin_producers import Loopin
from loopin_producers.replay import Replay, Summary, load_mapping
from loopin_producers.replay.ecom import ecom_file, ecom_map
from tests.e2e.prefork import until

SHOP = "shop"
SPEED = 2_000_000
"""Six months in a few seconds: slow enough that progress is reported between the kills."""


async def test_the_file_is_stored_exactly_though_worker_and_store_are_killed(tmp_path: Path) -> None:
    names, users = _file_counts()
    assert (sum(names.values()), len(users)) == (31_106, 600), "not the file that this test is about"
    progress = tmp_path / "ecom.json"
    with open_data_folder(tmp_path / "data") as folder:
        plan = Plan(folder, Ports(0, 0, 0), (SHOP,), {SHOP: 365})
        async with running_stack(plan, on_line=_ignore_line, on_notice=print) as stack:
            kills = [(8_000, "stream"), (15_000, "store"), (22_000, "stream")]

            def kill_when_due(done: Summary) -> None:
                if kills and done.published >= kills[0][0]:
                    kill_and_await_successor(stack, kills.pop(0)[1])

            summary = await asyncio.to_thread(_replay, stack, progress, kill_when_due)
            assert summary.published == 31_106
            assert kills == [], "the replay was over before the processes were killed"
            api = ApiClient(stack.state.api_url, stack.secrets.personal_key(SHOP))
            await asyncio.to_thread(until, lambda: _stored(api) == 31_106, "all events in the store", 600)

            again = await asyncio.to_thread(_replay, stack, progress, lambda _: None)
            assert again.published == 0, "a second replay adds nothing"
            rows = [(row["event"], row["distinct_id"], row["uuid"]) for row in api.exported()]
    assert Counter(event for event, _, _ in rows) == names
    assert {user for _, user, _ in rows} == users
    assert len({uuid for _, _, uuid in rows}) == 31_106


def _file_counts() -> tuple[Counter[str], set[str]]:
    with gzip.open(ecom_file(), "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    return Counter(row["event"] for row in rows), {row["user_id"] for row in rows}


def _replay(stack: Stack, progress: Path, on_progress: Callable[[Summary], None]) -> Summary:
    with Loopin(stack.state.bootstrap, SHOP) as client:
        replay = Replay(
            client,
            ecom_file(),
            load_mapping(ecom_map()),
            speed=SPEED,
            shift_to="now",
            progress_file=progress,
            on_progress=on_progress,
        )
        return replay.run()


def kill_and_await_successor(stack: Stack, name: str) -> None:
    """Kill in the middle of the replay, which goes on once the supervisor has started the successor."""
    killed = stack.supervisor.pids[name]
    os.kill(killed, signal.SIGKILL)
    until(lambda: stack.supervisor.pids.get(name, killed) != killed, f"another {name}")


def _stored(api: ApiClient) -> int | None:
    """How many events are stored; None while a store that was just killed does not answer."""
    try:
        found: int = api.overview()["tracked_events"]
    except RuntimeError:
        return None
    assert found <= 31_106, "something counted twice"
    return found


def _ignore_line(_: str, __: str) -> None:
    """The processes' own log lines."""
