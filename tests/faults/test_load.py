"""The seeded publisher's records."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.partitioner import murmur2

from tests.faults.load import DAY_MS, HOUR_MS, MINUTE_MS, Record, Shape, make_records, partition_of

NOW = 1_790_000_000_000
SHAPE = Shape(events=5_000, seed=1, until_ms=NOW)


def events_of(records: list[Record]) -> list[dict[str, Any]]:
    """The good events, repeated ones once."""
    bodies = dict.fromkeys(record.body for record in records if not record.poison)
    return [json.loads(body) for body in bodies]


def times_of(records: list[Record]) -> list[int]:
    return [event["timestamp"] for event in events_of(records) if isinstance(event.get("timestamp"), int)]


def test_the_same_seed_gives_the_same_records() -> None:
    assert make_records(SHAPE) == make_records(SHAPE)
    assert make_records(SHAPE) != make_records(replace(SHAPE, seed=2))


def test_shares_are_as_they_are_meant() -> None:
    records = make_records(replace(SHAPE, events=50_000))

    good = [record.body for record in records if not record.poison]
    assert len(set(good)) == 50_000
    assert 0.008 < (len(good) - 50_000) / 50_000 < 0.012, "sent twice"
    assert 0.0006 < (len(records) - len(good)) / 50_000 < 0.0018, "poison"
    times = times_of(records)
    # A second late at least, which is more than a hundred events.
    late = sum(time < before - 900 for before, time in zip(times, times[1:], strict=False))
    assert 0.04 < late / len(times) < 0.06


def test_users_follow_zipfs_law() -> None:
    users = Counter(event["distinct_id"] for event in events_of(make_records(SHAPE)))

    (_, first), (_, second), *_ = users.most_common(2)
    assert 1.5 < first / second < 2.7
    assert len(users) > 150


def test_some_users_are_anonymous_first() -> None:
    events = events_of(make_records(replace(SHAPE, anonymous_one_of=10)))

    asking = {event["event"] for event in events}
    assert asking >= {"$identify", "$create_alias", "$merge_dangerously"}
    anonymous = {event["distinct_id"] for event in events if event["distinct_id"].startswith("anon-")}
    identified = {event["properties"].get("$anon_distinct_id") for event in events}
    assert 15 <= len(anonymous) <= 25, "a tenth of 250, but for those with too few events"
    assert anonymous <= identified
    written = {name for event in events for name in event["properties"] if name.startswith("$")}
    assert written >= {"$set", "$set_once", "$unset"}


def test_an_anonymous_id_comes_before_it_is_identified_and_sometimes_after() -> None:
    events = events_of(make_records(replace(SHAPE, anonymous_one_of=10)))

    said = {
        event["properties"]["$anon_distinct_id"]: at
        for at, event in reversed([*enumerate(events)])
        if event["event"] == "$identify"
    }
    first = {event["distinct_id"]: at for at, event in reversed([*enumerate(events)])}
    last = {event["distinct_id"]: at for at, event in enumerate(events)}
    seen = {other: at for other, at in said.items() if other in first}
    # One that somebody else claims in the same moment may be claimed a moment before.
    assert sum(first[other] < at for other, at in seen.items()) > 0.8 * len(seen)
    assert any(last[other] > at for other, at in seen.items())


def test_a_hot_user_takes_most() -> None:
    users = Counter(event["distinct_id"] for event in events_of(make_records(replace(SHAPE, hot_times=100))))

    assert users["user-0"] > 0.9 * users.total()


def test_times_run_up_to_now_and_none_lies_ahead() -> None:
    times = times_of(make_records(SHAPE))

    assert NOW - 51 * MINUTE_MS < min(times) < NOW - 39 * MINUTE_MS
    assert NOW - MINUTE_MS < max(times) <= NOW


def test_history_comes_first() -> None:
    times = times_of(make_records(replace(SHAPE, history_hours=30)))

    assert times[0] == pytest.approx(NOW - 30 * HOUR_MS, abs=HOUR_MS)
    assert max(times[:200]) < NOW - HOUR_MS


def test_a_late_batch_is_an_hour_or_months_old() -> None:
    times = times_of(make_records(replace(SHAPE, late=400)))

    old = [time for time in times if time < NOW - 29 * DAY_MS]
    assert 100 < len(old) < 300
    assert min(old) >= NOW - 80 * DAY_MS


def test_skewed_clocks_are_a_day_off_and_some_say_so() -> None:
    events = events_of(make_records(replace(SHAPE, skewed=0.5)))

    assert any(
        time > NOW + 23 * HOUR_MS for event in events if isinstance(time := event.get("timestamp"), int)
    )
    assert {event["sent_at"] - NOW for event in events if "sent_at" in event} == {DAY_MS, -DAY_MS}


def test_every_delivery_repeats_whole_batches() -> None:
    once, thrice = make_records(SHAPE), make_records(replace(SHAPE, deliveries=3))

    assert len(thrice) == 3 * len(once)
    assert thrice[:500] == thrice[500:1000] == thrice[1000:1500] == once[:500]


def test_huge_records_are_a_megabyte() -> None:
    huge = [record for record in make_records(replace(SHAPE, huge=50)) if len(record.body) > 1_000_000]

    assert len(huge) == 50
    assert all(record.poison for record in huge)


def test_a_broken_partition_holds_nothing_good() -> None:
    records = make_records(replace(SHAPE, poison_partition=(1, 4)))

    for record in records:
        if not record.poison:
            assert partition_of(record.key, 4) != 1
    assert sum(b'"evnt":' in record.body for record in records) > 500


def test_misplaced_records_are_good_and_in_a_foreign_partition() -> None:
    records = make_records(replace(SHAPE, misplaced=(0.02, 4)))

    misplaced = [record for record in records if record.partition is not None]
    assert 60 < len(misplaced) < 150
    assert not any(record.poison or record.partition == partition_of(record.key, 4) for record in misplaced)


def test_alarming_records_follow_one_another_and_their_project_sends_no_others() -> None:
    records = make_records(replace(SHAPE, alarming=60))

    at = [number for number, record in enumerate(records) if b'"gym"' in record.body]
    assert at == list(range(at[0], at[0] + 60))
    assert 0.85 < at[0] / len(records) < 0.95
    assert len({records[number].body for number in at}) == 60
    assert all(records[number].poison for number in at)


def test_poison_is_of_every_kind_and_never_the_same() -> None:
    poison = [record.body for record in make_records(SHAPE) if record.poison]

    assert len(set(poison)) == len(poison) > 30


@pytest.mark.parametrize("key", [b"", b"a", b"shop:user-1", b"shop:\xc3\xa9\xe6\x97\xa5", b"x" * 31])
def test_partitions_are_kafkas(key: bytes) -> None:
    """As another client's implementation has it."""
    assert partition_of(key, 12) == (murmur2(key) & 0x7FFFFFFF) % 12
