"""The memory of uuids, against a plain list of what was added when."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_streams.enrich.seen import LIMIT, WINDOW_MS, Seen, uuid_hash
from loopin_streams.kafka.errors import RefusedToOpen

HOUR = 3_600_000
U64 = 2**64 - 1


@dataclass
class SeenRecord:
    """A record of the topic ``seen``."""

    value: bytes | None
    offset: int = 0
    timestamp: int = 0
    key: bytes | None = None


hashes = st.lists(st.integers(0, U64) | st.integers(0, 30), max_size=20)
batches = st.lists(st.tuples(st.integers(0, 3 * HOUR), hashes), max_size=40)


def add_all(seen: Seen, steps: list[tuple[int, list[int]]]) -> tuple[list[tuple[int, int]], list[bytes]]:
    """Add batches that follow each other by so many ms; what was added as (time, hash), and the records."""
    now, added, records = 0, [], []
    for elapsed, batch in steps:
        now += elapsed
        records.append(seen.add(batch, now))
        added += [(now, found) for found in batch]
    return added, records


@given(batches, hashes)
def test_without_limits_it_is_a_set(steps: list[tuple[int, list[int]]], asked: list[int]) -> None:
    seen = Seen(window_ms=10**15)
    added, _ = add_all(seen, steps)
    kept = {found for _, found in added}
    questions = [*kept, *asked]
    assert seen.known(questions) == [found in kept for found in questions]


@given(batches)
def test_it_remembers_at_least_the_window_and_at_most_a_span_longer(
    steps: list[tuple[int, list[int]]],
) -> None:
    window = 5 * HOUR
    seen = Seen(window_ms=window)
    added, _ = add_all(seen, steps)
    newest = max((at for at, _ in added), default=0)
    inside = {found for at, found in added if at >= newest - window}
    near = {found for at, found in added if at >= newest - window - HOUR}
    assert all(seen.known(list(inside)))
    outside = [found for _, found in added if found not in near]
    assert not any(seen.known(outside))


@given(st.lists(st.integers(1, 40), max_size=60))
def test_at_the_limit_only_the_oldest_are_forgotten(sizes: list[int]) -> None:
    limit = 200
    seen = Seen(limit=limit)
    added: list[int] = []
    for at, size in enumerate(sizes):
        batch = range(len(added), len(added) + size)
        seen.add(batch, at)
        added += batch
        assert len(seen) <= limit
        assert all(seen.known(added[-limit // 2 :])), "recent uuids were forgotten with the old ones"


@given(batches, hashes)
def test_restoring_the_records_equals_having_added_them(
    steps: list[tuple[int, list[int]]], asked: list[int]
) -> None:
    live = Seen(window_ms=5 * HOUR, limit=100)
    added, records = add_all(live, steps)
    restored = Seen(window_ms=5 * HOUR, limit=100)
    restored.restore(SeenRecord(record) for record in records)
    questions = [found for _, found in added] + asked
    assert restored.known(questions) == live.known(questions)
    assert len(restored) == len(live)


def test_the_record_is_a_time_and_the_sorted_hashes_in_little_endian() -> None:
    record = Seen().add([3, 1, 3], 1_700_000_000_000)
    assert record == b"".join(n.to_bytes(8, "little") for n in (1_700_000_000_000, 1, 3))


def test_an_empty_batch_changes_nothing() -> None:
    seen = Seen()
    seen.add([], 5)
    seen.restore([SeenRecord((5).to_bytes(8, "little"))])
    assert len(seen) == 0
    assert seen.known([0, 1]) == [False, False]
    assert seen.known([]) == []


def test_a_uuid_is_one_projects_own() -> None:
    identity = "01a2b3c4-0000-7000-8000-00000000000a"
    assert uuid_hash("a", identity) != uuid_hash("b", identity)
    assert uuid_hash("ab", "c") != uuid_hash("a", "bc")
    expected = blake2b(b"a\0" + identity.encode(), digest_size=8).digest()
    assert uuid_hash("a", identity).to_bytes(8, "little") == expected


def test_the_stated_defaults() -> None:
    assert (WINDOW_MS, LIMIT) == (6 * HOUR, 2_000_000)


@pytest.mark.parametrize("value", [None, b"", b"1234567", b"123456789"])
def test_a_record_that_cannot_be_read_is_refused(value: bytes | None) -> None:
    with pytest.raises(
        RefusedToOpen, match=r"topic seen cannot be read.*loopin state rebuild enrich"
    ) as refusal:
        Seen().restore([SeenRecord(value)])
    assert refusal.value.code == "state_unreadable"


def test_a_newer_versions_record_is_refused() -> None:
    newer = (5 + (1 << 56)).to_bytes(8, "little") + bytes(8)
    with pytest.raises(RefusedToOpen, match="newer version") as refusal:
        Seen().restore([SeenRecord(newer)])
    assert refusal.value.code == "state_version"
