"""An anonymous visitor becomes a user: the past counts for the person, in overview and stored windows."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from confluent_kafka import Producer

from loopin_api.queries.overview import overview
from loopin_api.timespan import last_days
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.persons.properties import person_properties
from loopin_sinks.repair.requests import pending_repairs
from loopin_sinks.store import Store, StoreSettings, open_store
from tests.deploy.command_line import run_process
from tests.sinks.repair.plain import DAY_MS, MINUTE_MS

pytestmark = pytest.mark.usefixtures("collected")

DEADLINE_S = 240.0


class Client:
    """A website's client of one project."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._topic = f"{environment['LOOPIN_TOPIC_PREFIX']}events.raw"
        self._producer = Producer(
            {"bootstrap.servers": environment["LOOPIN_KAFKA_BOOTSTRAP"], "partitioner": "murmur2_random"}
        )

    def capture(self, event: str, user: str, at: int, **properties: object) -> None:
        body = {"project": "shop", "event": event, "distinct_id": user, "timestamp": at}
        value = json.dumps(body | {"properties": properties})
        self._producer.produce(self._topic, value, f"shop:{user}")
        assert self._producer.flush(60) == 0


async def users_of_day(store: Store, day: int) -> tuple[int, str] | None:
    """Active users of the stored day, and what is counted; None where no request is settled yet."""
    if await pending_repairs(store):
        return None
    rows = await store.query(
        "SELECT count, basis FROM metric_windows FINAL WHERE project = 'shop' AND metric = 'active_users' "
        "AND grain = 'day' AND dimension = '' AND toUnixTimestamp(start) = {day:Int64}",
        {"day": day // 1000},
    )
    return (rows[0]["count"], rows[0]["basis"]) if rows else None


async def total_users(store: Store) -> int:
    now = datetime.now(UTC)
    return (await overview(store, Scope("shop", UTC, now), last_days(30, now, UTC))).total_users


async def refusals(store: Store) -> list[str]:
    rows = await store.query("SELECT reason FROM person_merges FINAL WHERE outcome = 'refused'")
    return [row["reason"] for row in rows]


async def until_equal(found: Callable[[], Awaitable[object]], wanted: object, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while (last := await found()) != wanted:
        assert time.monotonic() < deadline, f"{what}: {last}, not {wanted}"
        await asyncio.sleep(0.1)


async def test_the_past_of_an_anonymous_visitor_counts_for_the_user(
    environment: dict[str, str], roles: list[subprocess.Popen[bytes]]
) -> None:
    now = int(time.time() * 1000)
    day = now // DAY_MS * DAY_MS - 5 * DAY_MS
    client = Client(environment)
    variables = {name.lower().removeprefix("loopin_"): value for name, value in environment.items()}
    store = open_store(StoreSettings.model_validate(variables))
    try:
        # Long ago, on the same day: on the phone as a user, on the laptop as nobody.
        client.capture("click", "u-1", day + MINUTE_MS, **{"$set": {"plan": "pro"}})
        client.capture("$pageview", "laptop", day + 2 * MINUTE_MS, **{"$set_once": {"referrer": "news"}})
        client.capture("click", "stranger", day + 2 * MINUTE_MS)
        for number in range(20):
            # Every partition tells the time; servers are no users.
            client.capture("api_request", f"server-{number}", now)
        await until_equal(lambda: total_users(store), 3, "users before")
        await until_equal(lambda: users_of_day(store, day), (3, "persons"), "users of the day before")

        client.capture("$identify", "u-1", now, **{"$anon_distinct_id": "laptop"})
        await until_equal(lambda: total_users(store), 2, "users after")
        client.capture("$create_alias", "stranger", now, alias="u-1")
        await until_equal(lambda: users_of_day(store, day), (2, "persons"), "users of the day after")
        assert await person_properties(store, "shop", "laptop") == {"plan": "pro", "referrer": "news"}

        [line] = run_process("persons", "merges", "--json", env=environment).out.splitlines()
        merge = json.loads(line)
        assert (merge["distinct_id"], merge["other"], merge["event_at"]) == ("u-1", "laptop", now)
        await until_equal(lambda: refusals(store), ["already_identified"], "what was refused")
        [line] = run_process("persons", "warnings", "--json", env=environment).out.splitlines()
        assert json.loads(line)["reason"] == "already_identified"
        assert await total_users(store) == 2

        undone = run_process("persons", "unmerge", merge["id"], env=environment)
        assert undone.out == "Undone: laptop is a person of its own.\n", undone
        await until_equal(lambda: total_users(store), 3, "users again")
        await until_equal(lambda: users_of_day(store, day), (3, "persons"), "users of the day again")
        assert await person_properties(store, "shop", "laptop") == {"referrer": "news"}
        assert all(role.poll() is None for role in roles)
    finally:
        await store.close()
