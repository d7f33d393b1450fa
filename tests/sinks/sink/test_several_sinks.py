"""Sinks that share the partitions."""

from __future__ import annotations

import asyncio
import time

from tests.sinks.asking import DEADLINE_S, until
from tests.sinks.enriched import Enriched, running, stored_all


async def test_two_sinks_on_one_store_share_the_partitions(enriched: Enriched) -> None:
    first, second = enriched.sink(), enriched.sink()
    async with running(first):
        enriched.publish(100)
        await until(lambda: first.unready() is None, "the first has partitions")
        async with running(second):
            deadline = time.monotonic() + DEADLINE_S
            while not (first.unready() is None is second.unready() and second.writer.stored_rows):
                assert time.monotonic() < deadline, "the second sink gets no rows"
                enriched.publish(20)
                await asyncio.sleep(0.05)
            await stored_all(enriched)
        enriched.publish(50)
        await stored_all(enriched, first)
    await enriched.assert_stored_once()
    assert first.writer.stored_rows + second.writer.stored_rows == enriched.published
