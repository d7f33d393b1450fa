"""Records and segment files: what is written is read back, and what is damaged is noticed."""

from __future__ import annotations

import random
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_producers.spool.record import HEAD, SpooledRecord, Unreadable, pack, unpack
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


@given(records)
def test_record_is_read_as_it_was_written(written: SpooledRecord) -> None:
    data = pack(written)
    assert unpack(data, 0) == (written, len(data))
    assert unpack(b"x" * 7 + data, 7) == (written, 7 + len(data))


@given(records, st.data())
def test_every_flipped_bit_is_noticed(written: SpooledRecord, data: st.DataObject) -> None:
    packed = bytearray(pack(written))
    bit = data.draw(st.integers(0, len(packed) * 8 - 1))
    packed[bit // 8] ^= 1 << bit % 8
    if bit // 8 < 4 and int.from_bytes(packed[:4], "big") == 0:
        return  # that many zeros mean that nothing has been written
    with pytest.raises(Unreadable):
        unpack(bytes(packed), 0)


@given(records)
def test_every_record_that_is_cut_off_is_noticed(written: SpooledRecord) -> None:
    packed = pack(written)
    for length in (HEAD.size, HEAD.size + 1, len(packed) - 1):
        with pytest.raises(Unreadable):
            unpack(packed[:length], 0)


def fill(path: Path, written: list[SpooledRecord], size: int = 1 << 16) -> Segment:
    segment = Segment.create(path, size)
    for one in written:
        segment.append(pack(one))
    return segment


def test_segment_is_read_in_pieces_and_goes_on_where_the_broker_was(tmp_path: Path) -> None:
    written = [record(number, b"x" * number) for number in range(100)]
    segment = fill(tmp_path / "a", written)
    first = segment.read(30)
    assert first.records == written[:30]
    segment.consumed(first.end)
    assert segment.read(30).records == written[30:60]
    segment.close()
    again = Segment.open(tmp_path / "a")
    assert again is not None
    assert again.read(1000).records == written[30:]
    assert again.all_read
    assert not again.all_consumed
    again.remove()
    assert not (tmp_path / "a").exists()


def test_file_has_its_full_size_at_once_and_never_more(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path / "a", 1000)
    assert (tmp_path / "a").stat().st_size == 1000
    packed = pack(record(1))
    count = 0
    while segment.room >= len(packed):
        segment.append(packed)
        count += 1
    assert count == (1000 - OVERHEAD) // len(packed)
    assert (tmp_path / "a").stat().st_size == 1000
    assert len(segment.read(1000).records) == count
    segment.seal()
    assert 1000 - len(packed) < (tmp_path / "a").stat().st_size <= 1000
    segment.close()


def test_damaged_record_is_passed_over_and_counted(tmp_path: Path) -> None:
    written = [record(number, b"value %d" % number) for number in range(10)]
    fill(tmp_path / "a", written).close()
    whole = (tmp_path / "a").read_bytes()
    place = whole.index(b"value 4")
    (tmp_path / "a").write_bytes(whole[:place] + b"VALUE" + whole[place + 5 :])
    segment = Segment.open(tmp_path / "a")
    assert segment is not None
    piece = segment.read(100)
    assert piece.records == written[:4] + written[5:]
    assert piece.unreadable == 1


def test_whatever_is_in_the_file_it_is_read_to_its_end(tmp_path: Path) -> None:
    random.seed(7)
    written = [record(number, b"x" * 50) for number in range(20)]
    fill(tmp_path / "a", written, 4096).close()
    whole = (tmp_path / "a").read_bytes()
    for turn in range(300):
        damaged = bytearray(whole)
        for _ in range(random.randint(1, 20)):
            damaged[random.randrange(16, len(damaged))] = random.randrange(256)
        path = tmp_path / str(turn)
        path.write_bytes(damaged[: random.randint(16, len(damaged))])
        segment = Segment.open(path)
        assert segment is not None
        found: list[SpooledRecord] = []
        while (piece := segment.read(3)).records or piece.unreadable:
            found += piece.records
            segment.consumed(piece.end)
        assert segment.all_read
        # Nothing is invented: a checksum stands between damage and the broker.
        assert set(found) <= set(written)
        segment.close()


def test_other_files_are_no_segments(tmp_path: Path) -> None:
    for number, content in enumerate((b"", b"short", b"something else entirely")):
        path = tmp_path / str(number)
        path.write_bytes(content)
        assert Segment.open(path) is None
