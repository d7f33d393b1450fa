from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from loopin_streams.kafka.batch import Batch


@dataclass
class SizedRecord:
    offset: int
    value: bytes | None
    timestamp: int = 0
    key: bytes | None = None


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """A range with gaps before, between and after its records, as transaction markers leave them."""
    start = offset = draw(st.integers(0, 1000))
    records = []
    for gap, size in draw(
        st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 50)), max_size=30)
    ):
        offset += gap
        records.append(SizedRecord(offset, None if size is None else b"x" * size))
        offset += 1
    return Batch("t", 2, start, offset + draw(st.integers(0, 3)), records)


@given(batches(), st.integers(1, 10), st.integers(1, 100))
def test_the_parts_are_the_whole_in_order_and_within_the_limits(
    batch: Batch, max_events: int, max_bytes: int
) -> None:
    parts = list(batch.split(max_events, max_bytes))
    assert [record for part in parts for record in part.records] == list(batch.records)
    assert parts[0].start == batch.start
    assert parts[-1].end == batch.end
    assert [part.end for part in parts[:-1]] == [part.start for part in parts[1:]]
    for part in parts:
        assert (part.topic, part.partition) == ("t", 2)
        assert all(part.start <= record.offset < part.end for record in part.records)
        assert len(part.records) <= max_events
        size = sum(len(record.value or b"") for record in part.records)
        assert size <= max_bytes or len(part.records) == 1


def test_a_range_without_records_stays_one_batch() -> None:
    batch = Batch("t", 0, 5, 9, ())
    assert list(batch.split(10, 10)) == [batch]
