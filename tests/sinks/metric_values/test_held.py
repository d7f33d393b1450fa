"""Platform events took place unless the last word before their start, by anybody, is that they are off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from loopin_schemas.metrics import by_name
from loopin_sinks.alerts.denominators import numbers_of
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.store import Store
from tests.migrated import migrated_store
from tests.sinks.personas.stored_events import Done, link, put

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
START = NOW - DAY
SCOPE = Scope(project="shop", zone=UTC, now=NOW, internal=("boss",))

OFF, ON = "event_cancelled", "event_published"
BOT = {"$is_bot": True}

# What was said of each platform event, by whom; how many of five who joined came; whether it took place.
WORDS: dict[str, tuple[list[Done], int, bool]] = {
    "never cancelled": ([Done("host", ON, START - 8 * DAY)], 5, True),
    "cancelled": ([Done("host", ON, START - 8 * DAY), Done("host", OFF, START - 2 * DAY)], 0, False),
    "published again": ([Done("host", OFF, START - 2 * DAY), Done("host", ON, START - DAY)], 2, True),
    "published again by a colleague": (
        [Done("host", OFF, START - 2 * DAY), Done("desk", ON, START - DAY)], 1, True
    ),
    "cancelled by a colleague": ([Done("boss", OFF, START - 2 * DAY)], 0, False),
    "cancelled by a colleague's other id": ([Done("desk", OFF, START - 2 * DAY)], 0, False),
    "cancelled by a bot": ([Done("bot", OFF, START - 2 * DAY, BOT)], 0, False),
    "cancelled twice": (
        [Done("host", *word) for word in ((OFF, START - 3 * DAY), (ON, START - 2 * DAY), (OFF, START - DAY))],
        0,
        False,
    ),
    "cancelled and published at once": ([Done("host", word, START - DAY) for word in (OFF, ON)], 0, False),
    "cancelled after its start": ([Done("host", OFF, START)], 4, True),
    "published after its start": ([Done("host", OFF, START - HOUR), Done("host", ON, START)], 3, False),
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    done: list[Done] = []
    for name, (words, came, _) in WORDS.items():
        of = {"event_id": name}
        done.append(Done("host", "event_created", START - 9 * DAY, {**of, "starts_at": START.isoformat()}))
        done += [Done(who, event, at, {**of, **more}) for who, event, at, more in words]
        joined = [*(f"u{n}" for n in range(5)), "boss"]
        done += [Done(user, "event_joined", START - 4 * DAY, of) for user in joined]
        done += [Done(user, "event_attended", START + HOUR, of) for user in [*joined[:came], "boss"]]
        if came == 5:
            done.append(Done("host", "event_sold_out", START - HOUR, of))
    async with migrated_store(tmp_path_factory.mktemp("held"), migrated) as opened:
        await put(opened, done)
        await link(opened, [("desk", "boss")])
        yield opened


async def test_attendance_and_success_are_of_what_took_place(store: Store) -> None:
    came = [came for _, came, took_place in WORDS.values() if took_place]
    calculator, day = Calculator(store, SCOPE), Periods((START - HOUR, START + HOUR))
    for name, value, number in (
        ("attendance_rate", sum(came) / (5 * len(came)), 5 * len(came)),
        ("event_success_rate", 1 / len(came), len(came)),
    ):
        metric = by_name(name)
        assert metric is not None
        assert await calculator.values(metric.definition, day) == {(0, ""): pytest.approx(value)}
        assert await numbers_of(calculator, metric.definition, day) == {(0, ""): number}
