"""What clickhouse-connect sends and reads, by clickhouse-connect: formats, compression, protocol version."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pandas as pd
import pyarrow as pa
import pytest
from clickhouse_connect import get_client
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from tests.clickhouse import PASSWORD, USER, ClickHouseServer

KEPT = (
    "CREATE TABLE kept (n Int64, s String, low LowCardinality(String), f Nullable(Float64), "
    "t DateTime64(3, 'UTC'), list Array(String)) ENGINE = MergeTree ORDER BY n"
)
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
ROWS: list[list[Any]] = [
    [1, "it's \\ \t\n\0 😀", "a", 0.5, MOMENT, ["x", ""]],
    [2, "", "b", None, MOMENT, []],
    [3, "plain", "a", -0.25, MOMENT, ["a" * 300]],
]
COLUMNS = ["n", "s", "low", "f", "t", "list"]


def client_of(server: ClickHouseServer, compress: bool | str) -> Client:
    return get_client(
        host="127.0.0.1",
        port=server.server_port,
        username=USER,
        password=PASSWORD,
        compress=compress,
        autogenerate_session_id=False,
        tz_mode="aware",
    )


@pytest.fixture(params=["lz4", "zstd", "gzip", False])
def client(request: pytest.FixtureRequest, clickhouse: ClickHouseServer) -> Iterator[Client]:
    """A client for each compression, of answers and of inserts."""
    with client_of(clickhouse, request.param) as client:
        client.command(KEPT)
        yield client


def kept(client: Client) -> list[list[Any]]:
    return [list(row) for row in client.query("SELECT * FROM kept ORDER BY n").result_rows]


def test_the_protocol_version_is_spoken(client: Client) -> None:
    # Below it a server leaves out what precedes a block, and LowCardinality.
    assert client.protocol_version == 54405


def test_native_there_and_back(client: Client) -> None:
    client.insert("kept", ROWS, column_names=COLUMNS)
    assert kept(client) == ROWS


def test_many_native_blocks_there_and_back(client: Client) -> None:
    numbers = list(range(200_000))
    client.insert("kept", [numbers], column_names=["n"], column_oriented=True)
    result = client.query("SELECT n, toLowCardinality(toString(n % 5)) FROM kept ORDER BY n")
    assert result.result_columns[0] == tuple(numbers) or result.result_columns[0] == numbers
    assert [int(text) for text in result.result_columns[1]] == [n % 5 for n in numbers]


def test_arrow_there_and_back(client: Client) -> None:
    table = pa.table({"n": [1, 2], "s": ["one", "two"], "f": pa.array([None, 2.0])})
    client.insert_arrow("kept", table)
    found = client.query_arrow("SELECT n, s, f FROM kept ORDER BY n", use_strings=True)
    assert found.to_pydict() == table.to_pydict()


def test_pandas_there_and_back(client: Client) -> None:
    frame = pd.DataFrame({"n": [1, 2], "s": ["one", "two"]})
    client.insert_df("kept", frame, column_names=["n", "s"])
    found = client.query_df("SELECT n, s FROM kept ORDER BY n")
    assert found.to_dict("list") == frame.to_dict("list")


@pytest.mark.parametrize(
    ("format", "data"),
    [
        ("CSV", '1,"o""ne"\n2,two\n'),
        ("TabSeparated", '1\to"ne\n2\ttwo\n'),
        ("TSVWithNames", 'n\ts\n1\to"ne\n2\ttwo\n'),
        ("JSONEachRow", '{"n": 1, "s": "o\\"ne"}\n{"n": 2, "s": "two"}\n'),
        ("Values", "(1, 'o\"ne'), (2, 'two')"),
    ],
)
def test_text_formats(client: Client, format: str, data: str) -> None:
    client.raw_insert("kept", ["n", "s"], data, fmt=format)
    assert client.query("SELECT n, s FROM kept ORDER BY n").result_rows == [(1, 'o"ne'), (2, "two")]


def test_a_compressed_insert_has_its_statement_in_the_address(client: Client) -> None:
    data = gzip.compress(b"1\tone\n") + gzip.compress(b"2\ttwo\n")
    client.raw_insert("kept", ["n", "s"], data, fmt="TSV", compression="gzip")
    assert client.query("SELECT n, s FROM kept ORDER BY n").result_rows == [(1, "one"), (2, "two")]
    with pytest.raises(DatabaseError):
        client.raw_insert("kept", ["n", "s"], b"no gzip", fmt="TSV", compression="gzip")


@pytest.mark.parametrize(
    ("format", "answer"),
    [
        ("TSV", b"1\tx\n"),
        ("CSVWithNames", b'"n","s"\n1,"x"\n'),
        ("JSONEachRow", b'{"n":1,"s":"x"}\n'),
        ("JSONCompact", None),
        ("Arrow", None),
    ],
)
def test_raw_answers(client: Client, format: str, answer: bytes | None) -> None:
    found = client.raw_query("SELECT toUInt8(1) AS n, 'x' AS s", fmt=format)
    if format == "Arrow":
        assert pa.ipc.open_file(found).read_all().to_pydict()["n"] == [1]
    elif answer is None:
        assert b'"data"' in found
    else:
        assert found == answer


def test_types_that_need_care(client: Client) -> None:
    [row] = client.query(
        "SELECT toUUID('0b5a1c70-6d3b-4b6e-9a51-3f1f0a2b7c11'), toDecimal64('1.5', 2), map('k', [1]), "
        "tuple(1, 'a'), CAST(NULL AS Nullable(Int8)), toLowCardinality('low'), toFixedString('ab', 3)"
    ).result_rows
    uuid = UUID("0b5a1c70-6d3b-4b6e-9a51-3f1f0a2b7c11")
    assert row == (uuid, Decimal("1.5"), {"k": [1]}, (1, "a"), None, "low", b"ab\0")


def test_statements_that_describe(client: Client) -> None:
    described = client.query("DESCRIBE TABLE kept")
    assert [row[0] for row in described.result_rows] == COLUMNS
    assert client.query("SHOW TABLES").result_rows == [("kept",)]
    assert client.query("SELECT n, s FROM kept LIMIT 0").column_names == ("n", "s")
    assert client.command("EXISTS TABLE kept") == 1


def test_a_stream_that_fails_late_raises_the_servers_error(client: Client) -> None:
    sql = "SELECT number, throwIf(number = 900000, 'told you') FROM numbers(1000000)"
    with client.query_row_block_stream(sql) as rows:
        assert next(rows)[0] == (0, 0)
        with pytest.raises(StreamFailureError, match="told you") as error:
            list(rows)
    assert error.value.code == 395


def test_errors_carry_number_and_name(client: Client) -> None:
    with pytest.raises(DatabaseError) as error:
        client.query("SELECT * FROM nowhere")
    assert (error.value.code, error.value.name) == (60, "UNKNOWN_TABLE")
    with pytest.raises(DatabaseError) as error:
        client.insert_arrow("kept", pa.table({"n": ["x"]}))
    assert error.value.code is not None
