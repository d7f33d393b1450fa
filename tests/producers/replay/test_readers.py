from __future__ import annotations

import gzip
import json
import sys
import tracemalloc
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from loopin_producers.replay.errors import ReplayError
from loopin_producers.replay.formats import FORMATS, format_of
from loopin_producers.replay.ndjson_reader import MAX_LINE_BYTES
from loopin_producers.replay.row import Row

RECORDS = [{"event": f"click-{number}", "distinct_id": f"user-{number % 3}"} for number in range(2500)]


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def rows_of(path: Path) -> list[Row]:
    with format_of(path).read(path) as source:
        return list(source.rows)


def content(kind: str, folder: Path) -> bytes:
    if kind == "csv":
        return "\n".join(["event,distinct_id", *(",".join(r.values()) for r in RECORDS)]).encode()
    if kind == "ndjson":
        return "\n".join(json.dumps(record) for record in RECORDS).encode()
    made = folder / "made"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(RECORDS), made)
    return made.read_bytes()


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("kind", [known.name for known in FORMATS])
def test_every_format_reads_the_same_rows(kind: str, suffix: str, tmp_path: Path) -> None:
    rows = rows_of(write(tmp_path / f"a.{kind}{suffix}", content(kind, tmp_path)))
    assert [row.values for row in rows] == RECORDS
    assert [row.number for row in rows] == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("kind", [known.name for known in FORMATS])
def test_damaged_gzip_is_one_sentence(kind: str, tmp_path: Path) -> None:
    packed = gzip.compress(content(kind, tmp_path))
    broken = bytearray(packed)
    broken[len(broken) // 2] ^= 0xFF
    for number, damage in enumerate((packed[: len(packed) // 2], bytes(broken))):
        path = tmp_path / f"{number}.{kind}.gz"
        path.write_bytes(damage)
        with pytest.raises(ReplayError, match=r"near byte \d+") as caught:
            rows_of(path)
        assert caught.value.code == "file_corrupt"


def test_csv_reports_bad_rows_and_goes_on(tmp_path: Path) -> None:
    header = b"\xef\xbb\xbfevent,distinct_id\n"
    text = header + b'ok,u1\ntoo,many,fields\nfew\n\nbad\xff,u1\n"two\nlines",u2\nok,\xc3\xbc\n'
    rows = rows_of(write(tmp_path / "a.csv", text))
    assert [(row.number, row.line, bool(row.problem)) for row in rows] == [
        (1, 2, False),
        (2, 3, True),
        (3, 4, True),
        (4, 6, True),
        (5, 7, False),
        (6, 9, False),
    ]
    assert rows[4].values == {"event": "two\nlines", "distinct_id": "u2"}
    assert rows[5].values["distinct_id"] == "ü"


def test_csv_survives_an_oversized_field(tmp_path: Path) -> None:
    text = "event,distinct_id\n" + "x" * 200_000 + ",u1\nok,u2\n"
    rows = rows_of(write(tmp_path / "a.csv", text.encode()))
    assert [bool(row.problem) for row in rows] == [True, False]


@pytest.mark.parametrize(
    ("text", "code"),
    [(b"", "header_missing"), (b"a,b,a\n", "header_duplicate"), (b'"a"b,c\n', "header_invalid")],
)
def test_csv_needs_a_header(text: bytes, code: str, tmp_path: Path) -> None:
    with pytest.raises(ReplayError) as caught:
        rows_of(write(tmp_path / "a.csv", text))
    assert caught.value.code == code


def test_ndjson_reports_bad_lines_and_goes_on(tmp_path: Path) -> None:
    lines = [
        b'{"a":1}',
        b"not json",
        b"[1]",
        b"",
        b'{"a":"\xff"}',
        b'{"a":NaN}',
        b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"a":"' + b"x" * MAX_LINE_BYTES * 2 + b'"}',
        b'{"a":2}',
    ]
    rows = rows_of(write(tmp_path / "a.ndjson", b"\n".join(lines)))
    assert [(row.number, row.line) for row in rows if not row.problem] == [(1, 1), (8, 9)]
    assert [row.line for row in rows if row.problem] == [2, 3, 5, 6, 7, 8]
    assert "longer" in str(rows[6].problem)


def test_parquet_without_pyarrow_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ReplayError, match=r"\[sinks\]"):
        rows_of(path)


def test_damaged_parquet_unknown_format_and_missing_file(tmp_path: Path) -> None:
    for path, code in (
        (write(tmp_path / "a.parquet", b"no parquet"), "file_corrupt"),
        (tmp_path / "a.xlsx", "format_unknown"),
        (tmp_path / "none.csv", "file_unreadable"),
        (tmp_path / "none.ndjson", "file_unreadable"),
    ):
        with pytest.raises(ReplayError) as caught:
            rows_of(path)
        assert caught.value.code == code


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson.gz", b'{"event":"click","distinct_id":"u"}\n' * 60_000)
    tracemalloc.start()
    with format_of(path).read(path) as source:
        assert sum(1 for _ in source.rows) == 60_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500_000
