from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_api.export_format import FORMATS, choose

CSV, NDJSON = FORMATS
COLUMNS = ("name", "score", "properties")

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20)
ROWS = st.lists(
    st.tuples(TEXT, st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), TEXT), max_size=5
)


@given(ROWS)
def test_csv_is_read_back_as_it_was(rows: list[tuple[Any, ...]]) -> None:
    text = (CSV.header(COLUMNS) + CSV.block(COLUMNS, (), rows)).decode()
    header, *read = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert tuple(header) == COLUMNS
    assert [(name, float(score) if score else None, other) for name, score, other in read] == rows


@pytest.mark.parametrize(
    "value", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "a,b", 'say "hi"', "two\nlines", " blanks "]
)
def test_csv_keeps_values_and_quotes_them(value: str) -> None:
    line = CSV.block(("name",), (), [(value,)]).decode()
    assert line == '"' + value.replace('"', '""') + '"\r\n'


def test_csv_tells_null_from_empty_text() -> None:
    assert CSV.block(("a", "b", "c"), (), [(None, "", 0.5)]) == b',"",0.5\r\n'


@given(ROWS)
def test_ndjson_has_one_object_a_line(rows: list[tuple[Any, ...]]) -> None:
    lines = NDJSON.block(COLUMNS, (), rows).decode().split("\n")
    assert lines.pop() == ""
    assert [tuple(json.loads(line).values()) for line in lines] == rows


def test_ndjson_nests_json_and_keeps_it_on_one_line() -> None:
    pretty = '{\r\n  "amount": 1.10,\n  "text": "two\\nlines"\n}'
    line = NDJSON.block(("properties",), {"properties"}, [(pretty,)])
    assert line.count(b"\n") == 1
    assert b"1.10" in line
    assert json.loads(line) == {"properties": {"amount": 1.1, "text": "two\nlines"}}


@pytest.mark.parametrize(
    ("name", "accept", "chosen"),
    [
        (None, "", "csv"),
        (None, "*/*", "csv"),
        (None, "text/csv", "csv"),
        (None, "application/x-ndjson", "ndjson"),
        (None, "application/json", "ndjson"),
        (None, "Application/X-NDJSON; charset=utf-8", "ndjson"),
        (None, "text/csv;q=0.5, application/x-ndjson", "ndjson"),
        (None, "application/x-ndjson;q=0, text/csv;q=0.1", "csv"),
        (None, "application/x-ndjson;q=x", "csv"),
        (None, ",;,", "csv"),
        ("csv", "application/x-ndjson", "csv"),
        ("ndjson", "text/csv", "ndjson"),
    ],
)
def test_the_parameter_chooses_before_the_header(name: str | None, accept: str, chosen: str) -> None:
    assert choose(name, accept).name == chosen
