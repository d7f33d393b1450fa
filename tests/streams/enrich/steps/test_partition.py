"""Records in another partition than their user's are moved there whole; all others stay."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.codec import decode
from loopin_schemas.event import EnrichedEvent
from loopin_schemas.profile import Profile, Session
from loopin_streams.enrich.draft import Context, Draft, Drop
from loopin_streams.enrich.pipeline import run
from loopin_streams.enrich.steps.partition import move_misplaced, murmur2, partition_of
from tests.streams.enrich.drafts import RECEIVED_MS, UUID, RawRecord, body, context, draft_before

HOUR = 3_600_000

HASHES = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}
"""Hashes of keys as Kafka's own tests state them (UtilsTest.testMurmur2)."""


def placed(at: Context, **fields: Any) -> Draft:
    draft = draft_before("partition", body(**fields), at=at)
    move_misplaced([draft], at)
    return draft


@pytest.mark.parametrize("partitions", [1, 2, 6, 100])
@pytest.mark.parametrize("key", HASHES)
def test_the_right_partition_is_the_one_of_kafkas_default_partitioner(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions) == (HASHES[key] & 0x7FFFFFFF) % partitions


@given(st.binary(max_size=60))
def test_any_key_is_hashed_as_aiokafka_does(key: bytes) -> None:
    assert murmur2(key) == aiokafka_murmur2(key) & 0xFFFFFFFF


@pytest.mark.parametrize("partitions", [1, 2, 7])
def test_a_record_stays_in_its_users_partition_and_leaves_every_other(partitions: int) -> None:
    found = [placed(context(partition=at, partitions=partitions)) for at in range(partitions)]
    [right] = [at for at, draft in enumerate(found) if draft.outcome is None]
    others = [(draft.outcome, draft.moved_to) for draft in found if draft.outcome is not None]
    assert others == [(Drop("moved"), right)] * (partitions - 1)
    assert {draft.key for draft in found} == {b"demo:u1"}


@given(st.text(min_size=1, max_size=50), st.integers(0, 6))
def test_a_moved_record_is_at_home_where_it_arrives(user: str, partition: int) -> None:
    fields = {"distinct_id": f"u{user}"}
    draft = Draft(RawRecord(body(**fields)))
    run([draft], context(partition=partition, partitions=7))
    if draft.outcome == Drop("moved"):
        again = Draft(RawRecord(draft.body, key=draft.key))
        assert run([again], context(partition=draft.moved_to, partitions=7)) == [again]


def enriched(value: bytes, at: Context, *, received: int) -> EnrichedEvent:
    draft = Draft(RawRecord(value, timestamp=received))
    assert run([draft], at) == [draft], draft.outcome
    return decode(draft.body, EnrichedEvent)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"uuid": None},
        {"timestamp": RECEIVED_MS - HOUR},
        {"timestamp": RECEIVED_MS - HOUR, "sent_at": RECEIVED_MS - 2 * HOUR},
        {"timestamp": RECEIVED_MS - HOUR, "queued_at": RECEIVED_MS - HOUR},
        {"timestamp": RECEIVED_MS + 90 * 24 * HOUR},
        {"session_id": "s", "source": "ai", "parent_uuid": UUID, "properties": {"a": [1.50, "ü"]}},
        {"properties": {"$session_id": "s"}, "_origin": f"{UUID}:0:7"},
    ],
)
def test_a_detour_changes_nothing_but_the_place_and_the_claims_of_the_clock(fields: dict[str, Any]) -> None:
    value, here = body(**fields), context(partition=3, partitions=7)
    wrong = context(partition=4, partitions=7)
    moved = Draft(RawRecord(value))
    assert run([moved], wrong) == []
    straight = enriched(value, here, received=RECEIVED_MS)
    # It arrives a second time, later: by then its time must not be corrected again.
    detour = enriched(moved.body, context(partition=3, partitions=7), received=RECEIVED_MS + 2 * HOUR)
    for name in ("project", "event", "distinct_id", "session_id", "source", "parent_uuid", "origin"):
        assert getattr(detour, name) == getattr(straight, name)
    assert (detour.timestamp, bytes(detour.properties)) == (straight.timestamp, bytes(straight.properties))
    if fields.get("uuid", UUID) is not None:
        assert detour.uuid == straight.uuid
    assert detour.sent_at == straight.sent_at


def test_a_derived_uuid_is_that_of_the_first_place() -> None:
    first = Draft(RawRecord(body(uuid=None), offset=41))
    run([first], context(partition=4, partitions=7))
    again = enriched(first.body, context(partition=3, partitions=7), received=RECEIVED_MS)
    assert again.uuid == first.uuid


def test_a_record_that_moves_on_is_no_duplicate_where_it_arrives_or_comes_again() -> None:
    at = context(partition=4, partitions=7)
    twice = [Draft(RawRecord(body())) for _ in range(2)]
    assert run(twice, at) == []
    assert [draft.outcome for draft in twice] == [Drop("moved")] * 2
    assert len(at.seen) == 0


def test_who_has_a_profile_here_stays() -> None:
    at = context(partition=4, partitions=7)
    known = Profile(
        first_seen=1, last_seen=1, events=1, session=Session(1, 1, 1), active_day=0, active_days=b"\1"
    )
    at.profiles.save([(b"demo:u1", known)])
    assert placed(at).outcome is None


def test_the_key_on_the_record_does_not_matter() -> None:
    for key in (None, b"", b"demo:u2", b"shop:u1"):
        draft = Draft(RawRecord(body(), key=key))
        assert run([draft], context(partition=3, partitions=7)) == [draft]
        assert draft.key == b"demo:u1"
