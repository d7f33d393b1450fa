from __future__ import annotations

import gc
import struct
import tracemalloc
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from loopin_streams.enrich.job import EnrichJob
from loopin_streams.enrich.seen import uuid_hash
from loopin_streams.learning.answers import Answers
from loopin_streams.projects.project import Projects
from loopin_streams.rebuild.enrich import EnrichRebuild, Plan
from loopin_streams.rebuild.last_hashes import LastHashes
from loopin_streams.rebuild.letters import Letters
from loopin_streams.rebuild.position import Position
from loopin_streams.rebuild.truth import Share, Truth
from loopin_streams.settings import StreamSettings

START_MS = 1_800_000_000_000


def record(hashes: int, at: int = 0) -> bytes:
    return at.to_bytes(8, "little") + bytes(8 * hashes)


@given(st.lists(st.integers(0, 7), max_size=40), st.integers(1, 30))
def test_the_newest_are_kept_and_no_record_more_than_they_need(sizes: list[int], limit: int) -> None:
    found = LastHashes(limit)
    every = [record(size, at) for at, size in enumerate(sizes)]
    for one in every:
        found.add(one)
    kept = list(found.records)
    assert kept == every[len(every) - len(kept) :]
    numbers = sizes[len(every) - len(kept) :]
    assert sum(numbers) >= min(limit, sum(sizes))
    assert sum(numbers[1:]) < limit


def test_memory_does_not_grow_with_the_hours() -> None:
    found = LastHashes(10_000)
    gc.collect()
    tracemalloc.start()
    try:
        for at in range(1_000):
            found.add(record(1_000, at))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 3 * 10_000 * 8


@dataclass
class Stored:
    """A store of events that were appended a second apart, oldest first."""

    events: int

    async def identities(
        self, share: Share, *, since: int
    ) -> AsyncGenerator[list[tuple[int, str, str]], None]:
        for at in range(0, self.events, 4_000):
            yield [(START_MS + each * 1000, "demo", f"u{each}") for each in range(at, at + 4_000)]


async def test_a_rebuild_holds_no_more_uuids_than_are_remembered() -> None:
    settings = StreamSettings(seen_limit=10_000)
    absorber = EnrichJob(settings.enrich_options(1)).open(0, "topic")
    truth = cast("Truth", Stored(40_000))
    work = EnrichRebuild(settings, truth, 1, {}, START_MS, Projects(), Answers(), lambda _: None)
    plan = Plan(0, Position(0, 0, None, None), Letters(), None, frozenset())
    messages = await work._seen(plan, absorber)
    hashes = [value for _, record in messages for value in unpacked(record)]
    assert 10_000 <= len(hashes) < 10_000 + 4_000
    assert set(hashes) == {uuid_hash("demo", f"u{at}") for at in range(40_000 - len(hashes), 40_000)}


def unpacked(seen: bytes | None) -> tuple[int, ...]:
    """The hashes of a record of ``seen``."""
    record_of = seen or b""
    return struct.unpack(f"<{len(record_of) // 8}Q", record_of)[1:]
