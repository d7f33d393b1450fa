"""A sink on a real broker that is killed between its events and their requests."""

from __future__ import annotations

import pytest

from loopin_schemas.codec import encode
from loopin_sinks.sink import Sink
from loopin_sinks.store import Store, StoreSettings
from loopin_sinks.window_rows import WindowRef
from loopin_streams.kafka.topic_admin import TopicAdmin
from loopin_streams.projects.project import Projects
from tests.sinks.enriched import kill, running
from tests.sinks.faulty_store import FaultyStore, stand_still_at
from tests.sinks.repair.installation import Installation, until
from tests.sinks.repair.plain import HOUR_MS, Happened, quiet_day
from tests.sinks.repair.stored import enriched
from tests.transactions import Out


@pytest.mark.parametrize("when", ["before", "after"])
async def test_the_successor_of_a_killed_sink_asks_for_its_repairs(
    installation: Installation, embedded_settings: StoreSettings, when: str
) -> None:
    late = [Happened("shop", "click", f"u{at}", quiet_day() + at * HOUR_MS) for at in range(3)]
    installation.worker.write(
        Out(installation.enriched, at % 2, None, encode(enriched(event, late="minute")))
        for at, event in enumerate(late)
    )

    def sink(store: Store) -> Sink:
        topic_id = TopicAdmin(installation.settings).describe()["events.enriched"].id
        return Sink(installation.settings, store, Projects(), topic_id)

    store = FaultyStore(installation.store)
    stand_still_at(store, 1, when)
    await kill(sink(store), store, 1)
    assert await installation.pending() == set()

    async def asked() -> bool:
        return await installation.pending() == {WindowRef("shop", "minute", event.at) for event in late}

    async with running(sink(installation.store)):
        await until(asked, "the successor asks")
    rows = await installation.store.query("SELECT distinct_id FROM events ORDER BY distinct_id")
    assert [row["distinct_id"] for row in rows] == ["u0", "u1", "u2"]
