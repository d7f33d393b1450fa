from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.codec import decode, encode
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.marker import STATE_VERSION, Counts, Marker, check_marker

ID, OTHER_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c9"

reasons = st.dictionaries(st.sampled_from("abc"), st.integers(1, 100))
all_counts = st.builds(
    Counts,
    read=st.integers(0, 100),
    passed=st.integers(0, 100),
    dead_lettered=reasons,
    dropped=reasons,
    late=reasons,
)


def check(marker: Marker | None, *, has_worked: bool = True) -> int:
    return check_marker(
        marker,
        job="enrich",
        partition=3,
        topic_id=ID,
        start=10,
        end=20,
        partitions=4,
        has_worked=has_worked,
        stores={"enrich.state": ID, "seen": OTHER_ID},
    )


def marker(position: int, topic_id: str = ID, **fields: Any) -> Marker:
    return Marker(topic_id=topic_id, position=position, **fields)


@pytest.mark.parametrize("position", [10, 15, 20])
def test_reading_goes_on_at_the_marker(position: int) -> None:
    assert check(marker(position)) == position


def test_a_new_job_reads_from_the_logs_start() -> None:
    assert check(None, has_worked=False) == 10


@pytest.mark.parametrize(
    "fields",
    [
        {"partitions": 4},
        {"partitions": None},
        {"stores": {"enrich.state": ID, "seen": OTHER_ID}},
        {"stores": {"another": OTHER_ID}},
    ],
)
def test_a_marker_of_the_same_partitions_and_state_topics_fits(fields: dict[str, Any]) -> None:
    assert check(marker(15, **fields)) == 15


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (None, "marker_missing"),
        (marker(15, OTHER_ID), "topic_recreated"),
        (marker(5, OTHER_ID), "topic_recreated"),
        (marker(25, OTHER_ID), "topic_recreated"),
        (marker(9), "log_starts_after_marker"),
        (marker(21), "marker_beyond_log"),
        (marker(15, partitions=3), "partitions_changed"),
        (marker(15, partitions=5), "partitions_changed"),
        (marker(15, stores={"enrich.state": OTHER_ID}), "state_recreated"),
        (marker(15, stores={"enrich.state": ID, "seen": ID}), "state_recreated"),
        (marker(15, version=STATE_VERSION + 1), "state_version"),
        (marker(15, OTHER_ID, version=STATE_VERSION + 1), "state_version"),
    ],
)
def test_a_marker_that_does_not_fit_is_refused(found: Marker | None, code: str) -> None:
    with pytest.raises(RefusedToOpen, match=r"partition 3 of job enrich") as refusal:
        check(found)
    assert refusal.value.code == code
    sentence = str(refusal.value)
    assert sentence.endswith(".")
    assert ". " not in sentence
    assert "stop the workers and run `loopin state rebuild enrich`" in sentence


@given(all_counts, all_counts)
def test_the_sum_of_counts_is_the_sum_of_each(left: Counts, right: Counts) -> None:
    total = left.plus(right)
    assert (total.read, total.passed) == (left.read + right.read, left.passed + right.passed)
    for name in ("dead_lettered", "dropped", "late"):
        a, b, c = (getattr(counts, name) for counts in (left, right, total))
        assert c == {reason: a.get(reason, 0) + b.get(reason, 0) for reason in {*a, *b}}


@given(all_counts)
def test_adding_leaves_both_sides_as_they_were(counts: Counts) -> None:
    before = encode(counts)
    total = counts.plus(counts)
    total.dropped["new"] = 1
    assert encode(counts) == before
    assert Counts().dropped == {}


some = st.none() | st.integers(0, 2**52)


@given(st.integers(0, 2**62), some, all_counts, some, st.dictionaries(st.text(), st.text()), some)
def test_a_marker_comes_back_as_it_was_written(
    position: int,
    watermark: int | None,
    counts: Counts,
    partitions: int | None,
    stores: dict[str, str],
    held: int | None,
) -> None:
    written = Marker(
        topic_id=ID,
        position=position,
        watermark=watermark,
        counts=counts,
        partitions=partitions,
        stores=stores,
        held=held,
    )
    assert decode(encode(written), Marker) == written


def test_a_marker_of_the_first_release_is_read() -> None:
    first = decode(b'{"topic_id":"%s","position":15,"counts":{"read":5}}' % ID.encode(), Marker)
    assert (check(first), first.version, first.counts) == (15, 1, Counts(read=5))
