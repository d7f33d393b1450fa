"""``loopin status`` and health on a real system, at work and while its worker stands still."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from loopin_deploy.api_client import ApiClient
from loopin_deploy.data_folder import open_data_folder
from loopin_deploy.stack import Plan, Ports, Stack, running_stack
from loopin_deploy.status.sources import Address, snapshot_of
from loopin_streams.kafka.partition_lag import LONGEST_GAP_S
from tests.deploy.command_line import Ran, run_process

SHOP = "shop"
GOOD, BROKEN, REPEATED = 500, 9, 20
READ = GOOD + BROKEN + REPEATED
USERS = 50
CONSUMERS = {
    *("enrich", "merge", "identity", "train"),
    *("events", "metric_windows", "person_merges", "profiles", "config_history", "alerts", "anomalies"),
    "api",
}
DEADLINE_S = 300.0
STALL_S = 5.0


def publish(stack: Stack, bodies: list[tuple[str, bytes]]) -> None:
    producer = Producer({"bootstrap.servers": stack.state.bootstrap, "partitioner": "murmur2_random"})
    for user, body in bodies:
        producer.produce("loopin.events.raw", body, key=f"{SHOP}:{user}")
    assert producer.flush(60) == 0


def events(number: int) -> list[tuple[str, bytes]]:
    users = [f"u{at % USERS}" for at in range(number)]
    return [
        (
            user,
            json.dumps(
                {"project": SHOP, "event": "click", "distinct_id": user, "uuid": str(uuid.uuid4())}
            ).encode(),
        )
        for user in users
    ]


async def eventually(condition: Callable[[], Any], what: str) -> Any:
    """What the condition gives once it gives something; it is asked in a thread."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := await asyncio.to_thread(condition)):
        assert time.monotonic() < deadline, f"still not: {what}"
        await asyncio.sleep(0.1)
    return found


def status(folder: Path, *options: str) -> Ran:
    return run_process("status", *options, env={"LOOPIN_DATA_DIR": str(folder)})


def consumers(folder: Path) -> dict[str, dict[str, Any]]:
    """The consumers of all roles, by ``loopin status --json``."""
    ran = status(folder, "--json")
    assert ran.code == 0, ran
    (line,) = ran.out.splitlines()
    return {one["consumer"]: one for role in json.loads(line)["roles"] for one in role["consumers"]}


async def test_status_counts_what_was_published_and_health_sees_a_worker_stand_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPIN_STALL_S", str(STALL_S))
    monkeypatch.setenv("LOOPIN_MAX_LAG_S", "3600")
    with open_data_folder(tmp_path / "data") as folder:
        plan = Plan(folder, Ports(0, 0, 0), (SHOP,))
        async with running_stack(plan, on_line=lambda *_: None, on_notice=print) as stack:
            await counts_what_was_published(stack, folder.path)
            await sees_a_worker_stand_still(stack, folder.path)
    ran = status(tmp_path / "data")
    assert "Nothing runs on the data folder" in ran.refused()


async def counts_what_was_published(stack: Stack, folder: Path) -> None:
    good = events(GOOD)
    broken = [(f"u{at}", b"{") for at in range(BROKEN)]
    publish(stack, [*good, *broken, *good[:REPEATED]])

    addresses = [Address(url) for url in stack.state.urls.values()]

    def all_stored() -> bool:
        roles = snapshot_of(addresses, stack.secrets.personal_key(SHOP)).roles
        found = {one.consumer: one for role in roles for one in role.consumers}
        if not found.keys() >= CONSUMERS:
            # One of the roles did not answer in time.
            return False
        quiet = all(one.lag_events in (0, None) for one in found.values())
        # A lag is as of the last look at the log: it may be older than what has come since.
        through = found["enrich"].read == READ and found["events"].passed == GOOD
        return quiet and through and bool(found["metric_windows"].passed)

    await eventually(all_stored, "all is stored, and nothing waits")

    def all_told() -> dict[str, dict[str, Any]] | None:
        found = consumers(folder)
        return found if found.keys() >= CONSUMERS else None

    found = await eventually(all_told, "every role answers")
    assert found.keys() == CONSUMERS
    enrich = found["enrich"]
    assert enrich["read"] == READ
    assert enrich["passed"] == found["events"]["read"] == GOOD
    assert enrich["dead_lettered"] == {"not_json": BROKEN}
    assert enrich["dropped"] == {"duplicate": REPEATED}
    assert enrich["held"]["profiles"] == USERS
    assert found["metric_windows"]["passed"] > 0

    def all_ready() -> Ran | None:
        ran = status(folder)
        assert ran.code == 0
        return ran if "all ready" in ran.out else None

    table = await eventually(all_ready, "all roles are ready")
    assert f"stream, enrich, dead-lettered: not_json {BROKEN}" in table.out


async def sees_a_worker_stand_still(stack: Stack, folder: Path) -> None:
    api = ApiClient(stack.state.api_url, stack.secrets.personal_key(SHOP))

    def stands_still() -> dict[str, Any] | None:
        health = api.health()
        said = health["components"]["stream"]["reason"]
        return health if said is not None and "enrich stands still" in said else None

    await eventually(lambda: api.health()["freshness_s"] == 0, "everything is queryable")
    worker = stack.supervisor.pids["stream"]
    os.kill(worker, signal.SIGSTOP)
    try:
        before = time.time()
        publish(stack, events(10))
        health = await eventually(stands_still, "the enrichment is seen to stand still")
        assert health["status"] == "degraded"
        assert health["components"]["stream"]["lag"] >= 10
        # Nothing is said of the sink: it waits, where the worker had a transaction open.
        # The same answer says that records have waited for the limit's time. What came between two looks is
        # dated by its place between them, and exactly if they lie further apart than this gap.
        assert STALL_S < health["freshness_s"] <= time.time() - before + LONGEST_GAP_S

        def told() -> Ran | None:
            ran = status(folder)
            return ran if "1 of 3 not ready" in ran.out else None

        shown = await eventually(told, "status says that one role does not answer")
        assert f"stream: {stack.state.worker_url} does not answer" in shown.out
    finally:
        os.kill(worker, signal.SIGCONT)

    def well() -> bool:
        health = api.health()
        return (health["status"], health["freshness_s"]) == ("ok", 0)

    await eventually(well, "it has caught up")
    assert (await asyncio.to_thread(api.overview))["tracked_events"] == GOOD + 10
