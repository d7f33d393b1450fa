"""Records and segment files: what is written is read back, and what is damaged is noticed."""

from __future__ import annotations

import os
import random
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_producers.spool.record import SpooledRecord, next_record, pack, packed_size
from loopin_producers.spool.segment import OVERHEAD, Segment

records = st.builds(
    SpooledRecord,
    uuid=st.uuids().map(str),
    captured_ns=st.integers(0, 2**63),
    key=st.binary(max_size=300),
    value=st.binary(max_size=2000),
)


def record(number: int, value: bytes = b"{}") -> SpooledRecord:
    return SpooledRecord(str(UUID(int=number)), number, b"shop:user", value)


@given(records, st.integers(0, 2**32 - 1))
def test_record_is_read_as_it_was_written(written: SpooledRecord, number: int) -> None:
    data = pack(written, number)
    assert len(data) == packed_size(written)
    assert next_record(data, 0) == (written, number, len(data))
    assert next_record(b"x" * 7 + data, 3) == (written, number, 7 + len(data))


@given(records, st.data())
def test_every_flipped_bit_is_noticed(written: SpooledRecord, data: st.DataObject) -> None:
    packed = bytearray(pack(written, 3))
    bit = data.draw(st.integers(0, len(packed) * 8 - 1))
    packed[bit // 8] ^= 1 << bit % 8
    assert next_record(bytes(packed), 0) is None


@given(records)
def test_every_record_that_is_cut_off_is_noticed(written: SpooledRecord) -> None:
    packed = pack(written, 0)
    for length in (0, 1, 15, 16, 17, len(packed) - 1):
        assert next_record(packed[:length], 0) is None


def fill(path: Path, written: list[SpooledRecord], size: int = 1 << 16) -> Segment:
    segment = Segment.create(path, size)
    for number, one in enumerate(written):
        segment.append(pack(one, number), 1)
    return segment


def test_segment_is_read_in_pieces_and_goes_on_where_the_broker_was(tmp_path: Path) -> None:
    written = [record(number, b"x" * number) for number in range(100)]
    segment = fill(tmp_path / "a", written)
    first = segment.read(30)
    assert first.records == written[:30]
    segment.consumed(first.end, first.number)
    assert segment.read(30).records == written[30:60]
    segment.close()
    again = Segment.open(tmp_path / "a")
    assert again is not None
    assert again.read(1000).records == written[30:]
    assert again.all_read
    assert not again.all_consumed
    again.remove()
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("size", [100, 60_000, 300_000])
def test_reading_in_pieces_takes_little_more_than_what_is_read(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = min(2000, 900_000 // size)
    whole = [record(number, b"x" * size) for number in range(count)]
    segment = fill(tmp_path / "segment", whole, 1 << 20)
    taken: list[int] = []
    pread = os.pread

    def counted(descriptor: int, length: int, offset: int) -> bytes:
        taken.append(length)
        return pread(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", counted)
    found: list[SpooledRecord] = []
    while not segment.all_read:
        found += segment.read(8).records
    assert found == whole
    assert max(taken) <= max(64 << 10, 32 * size)
    segment.close()


def test_what_is_not_consumed_is_read_again(tmp_path: Path) -> None:
    segment = fill(tmp_path / "segment", [record(number) for number in range(10)])
    piece = segment.read(4)
    segment.consumed(piece.end, piece.number)
    segment.read(3)
    segment.rewind()
    again = segment.read(10)
    assert [one.captured_ns for one in again.records] == [4, 5, 6, 7, 8, 9]
    assert again.unreadable == 0
    segment.close()


def test_file_has_its_full_size_at_once_and_never_more(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path / "a", 1000)
    assert (tmp_path / "a").stat().st_size == 1000
    packed = pack(record(1), 0)
    count = 0
    while segment.room >= len(packed):
        segment.append(pack(record(1), count), 1)
        count += 1
    assert count == (1000 - OVERHEAD) // len(packed)
    assert (tmp_path / "a").stat().st_size == 1000
    assert len(segment.read(1000).records) == count
    segment.seal()
    assert 1000 - len(packed) < (tmp_path / "a").stat().st_size <= 1000
    segment.close()


COUNT = 500
SIZE = 300


def damaged(tmp_path: Path, offset: int, content: bytes, *, sealed: bool = False) -> Segment:
    """A file of 500 records of 300 bytes with other bytes at an offset, reopened."""
    segment = fill(tmp_path / "a", sized(COUNT), 1 << 18)
    if sealed:
        segment.seal()
    segment.close()
    whole = bytearray((tmp_path / "a").read_bytes())
    whole[offset : offset + len(content)] = content
    (tmp_path / "a").write_bytes(whole)
    opened = Segment.open(tmp_path / "a")
    assert opened is not None
    return opened


def sized(count: int) -> list[SpooledRecord]:
    """Records of ``SIZE`` bytes in the file."""
    empty = packed_size(record(0, b""))
    return [record(number, b"x" * (SIZE - empty)) for number in range(count)]


def lost(first: int, count: int) -> list[SpooledRecord]:
    """All records but those."""
    return [one for one in sized(COUNT) if not first <= one.captured_ns < first + count]


AT = OVERHEAD + 200 * SIZE
"""Where record 200 begins."""


@pytest.mark.parametrize(
    ("offset", "content"),
    [
        (AT + 100, b"?"),
        (AT, b"????"),
        (AT + 4, b"\xff\xff\xff\xff"),
        (AT + 8, b"\x7f\xff\xff\xff"),
        (AT + 8, b"\0\0\0\0"),
        (AT + 8, b"\0\0\0\x20"),
        (AT + 12, b"????"),
    ],
    ids=["payload", "mark", "number", "length", "no length", "short length", "checksum"],
)
def test_damaged_record_costs_none_of_its_neighbours(tmp_path: Path, offset: int, content: bytes) -> None:
    piece = damaged(tmp_path, offset, content).read(COUNT)
    assert (piece.records, piece.unreadable) == (lost(200, 1), 1)


@pytest.mark.parametrize(
    ("offset", "first", "count"), [(AT, 200, 14), (OVERHEAD, 0, 14), (AT + 150, 200, 15)]
)
def test_page_of_zeros_costs_what_was_on_it_and_says_how_many(
    tmp_path: Path, offset: int, first: int, count: int
) -> None:
    segment = damaged(tmp_path, offset, b"\0" * 4096)
    records, unreadable = [], 0
    while (piece := segment.read(7)).records or piece.unreadable:
        records += piece.records
        unreadable += piece.unreadable
    assert (records, unreadable) == (lost(first, count), count)


@pytest.mark.parametrize(("sealed", "said"), [(True, 100), (False, 1)])
def test_what_is_lost_at_the_end_is_counted_where_that_is_known(
    tmp_path: Path, sealed: bool, said: int
) -> None:
    end = OVERHEAD + 400 * SIZE
    junk = b"?" * (100 * SIZE)
    piece = damaged(tmp_path, end, junk, sealed=sealed).read(COUNT)
    assert (piece.records, piece.unreadable) == (lost(400, 100), said)


@pytest.mark.parametrize("place", [OVERHEAD + 400 * SIZE, OVERHEAD + 400 * SIZE - 1])
def test_sealed_file_that_was_cut_off_says_how_many(tmp_path: Path, place: int) -> None:
    segment = fill(tmp_path / "a", sized(COUNT), 1 << 18)
    segment.seal()
    segment.close()
    os.truncate(tmp_path / "a", place)
    opened = Segment.open(tmp_path / "a")
    assert opened is not None
    piece = opened.read(COUNT)
    assert len(piece.records) + piece.unreadable == COUNT
    assert piece.records == sized(COUNT)[: (place - OVERHEAD) // SIZE]
    opened.consumed(piece.end, piece.number)
    assert opened.all_consumed


@pytest.mark.parametrize(("offset", "length"), [(0, 8), (8, 8), (8, 12), (20, 4), (0, 32), (16, 4)])
def test_damaged_beginning_of_the_file_costs_no_record(tmp_path: Path, offset: int, length: int) -> None:
    """Where the broker was is not known any more: all are sent again, under their uuids."""
    segment = fill(tmp_path / "a", sized(COUNT), 1 << 18)
    piece = segment.read(100)
    segment.consumed(piece.end, piece.number)
    segment.close()
    whole = bytearray((tmp_path / "a").read_bytes())
    whole[offset : offset + length] = b"\x7f" * length
    (tmp_path / "a").write_bytes(whole)
    opened = Segment.open(tmp_path / "a")
    assert opened is not None
    piece = opened.read(COUNT)
    assert piece.records[-400:] == sized(COUNT)[100:]
    assert piece.unreadable == 0


def test_whatever_is_in_the_file_it_is_read_to_its_end(tmp_path: Path) -> None:
    random.seed(7)
    written = [record(number, b"x" * 50) for number in range(20)]
    fill(tmp_path / "a", written, 4096).close()
    whole = (tmp_path / "a").read_bytes()
    for turn in range(300):
        changed = bytearray(whole)
        for _ in range(random.randint(1, 20)):
            changed[random.randrange(OVERHEAD, len(changed))] = random.randrange(256)
        path = tmp_path / str(turn)
        path.write_bytes(changed[: random.randint(OVERHEAD, len(changed))])
        segment = Segment.open(path)
        assert segment is not None
        found: list[SpooledRecord] = []
        while (piece := segment.read(3)).records or piece.unreadable:
            found += piece.records
            segment.consumed(piece.end, piece.number)
        assert segment.all_read
        # Nothing is invented: a checksum stands between damage and the broker.
        assert set(found) <= set(written)
        segment.close()


def test_other_files_are_no_segments(tmp_path: Path) -> None:
    for number, content in enumerate((b"", b"short", b"LOOPSPL2", b"something else entirely", b"\0" * 4096)):
        path = tmp_path / str(number)
        path.write_bytes(content)
        assert Segment.open(path) is None
