"""The engine behind the server: one connection for each request."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import monotonic_ns
from typing import Any

import chdb

from tests.clickhouse.statement import Statement

_OPTIONS = "max_server_memory_usage=2000000000&mark_cache_size=67108864&primary_index_cache_size=67108864"
"""By default the engine takes most of the machine's memory."""

_STREAMED = {"Native", "TabSeparated", "TSV", "CSV", "RowBinary", "JSONEachRow"}
"""Formats without head or foot: the engine encodes each block by itself."""

_FAILURES = (RuntimeError, chdb.ChdbError)
_NOT_STREAMED = "Streaming query is not supported"

_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
_BLOCK_INFO_SINCE = 51903
"""What precedes a block in Native for clients of this protocol version or newer (``Core/ProtocolDefines.h``);
the engine in this process writes the rest as such clients expect it."""


class EngineError(Exception):
    """A statement failed; the text is ClickHouse's, ``code`` its number."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass
class Summary:
    """What a statement has read and written so far, as header ``X-ClickHouse-Summary`` has it."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    total_rows_to_read: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    elapsed_ns: int = 0
    memory_usage: int = 0

    def header(self) -> str:
        return json.dumps({name: str(value) for name, value in asdict(self).items()}, separators=(",", ":"))


class Engine:
    """The engine on a folder, for this process alone."""

    def __init__(self, folder: Path) -> None:
        self._location = f"{folder.resolve()}?{_OPTIONS}"
        self._anchor = chdb.connect(self._location)
        self.timezone, self.version = (
            self._anchor.query("SELECT timezone(), version()", "TSV").bytes().decode().split()
        )

    def close(self) -> None:
        self._anchor.close()

    @contextmanager
    def session(self, database: str, settings: Mapping[str, str]) -> Iterator[Session]:
        """A connection with these settings.

        Raises:
            EngineError: there is no such database or setting; within the block, a statement failed.
        """
        with closing(chdb.connect(self._location)) as connection:
            try:
                if database:
                    connection.query(f"USE {_quoted(database, '`')}")
                # After ``readonly`` some settings could no longer be changed.
                for name in sorted(settings, key=lambda name: name == "readonly"):
                    connection.query(f"SET {_quoted(name, '`')} = {_quoted(settings[name], chr(39))}")
                yield Session(connection)
            except _FAILURES as error:
                raise self._refusal(str(error)) from error

    def _refusal(self, text: str) -> EngineError:
        text = text[max(text.find("Code: "), 0) :].strip()
        number = re.match(r"Code: (\d+)", text)
        if "(version " not in text:
            text += f" (version {self.version})"
        # 1002 is UNKNOWN_EXCEPTION.
        return EngineError(int(number[1]) if number else 1002, text)


class Session:
    """A connection that runs one statement."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.summary = Summary()

    def run(self, statement: Statement, parameters: Mapping[str, str], protocol: int) -> Generator[bytes]:
        """The result, in parts, in the statement's format, for clients of this protocol version."""
        started = monotonic_ns()
        head = _BLOCK_INFO if statement.format == "Native" and protocol >= _BLOCK_INFO_SINCE else b""
        with closing(self._parts(statement, parameters)) as parts:
            for part in parts:
                self.summary.elapsed_ns = monotonic_ns() - started
                yield head + part if part else part

    def _parts(self, statement: Statement, parameters: Mapping[str, str]) -> Generator[bytes]:
        if statement.data is not None:
            yield self._insert(statement.sql, statement.format, statement.data)
        elif not statement.returns_rows or statement.format not in _STREAMED:
            yield self._whole(statement, parameters)
        else:
            try:
                yield from self._stream(statement, parameters)
            except _FAILURES as error:
                # SHOW, DESCRIBE and the like, whose results are short.
                if _NOT_STREAMED not in str(error):
                    raise
                yield self._whole(statement, parameters)

    def _insert(self, sql: str, format: str, data: bytes) -> bytes:
        # By way of a file: the engine's own streaming insert leaves the table's constraints out.
        with NamedTemporaryFile(prefix="insert-") as file:
            file.write(data)
            file.flush()
            result = self._connection.query(
                f"{sql} FROM INFILE {_quoted(file.name, chr(39))} COMPRESSION 'none' FORMAT {format}"
            )
        self._count(result)
        return b""

    def _stream(self, statement: Statement, parameters: Mapping[str, str]) -> Iterator[bytes]:
        with closing(
            self._connection.send_query(statement.sql, statement.format, params=dict(parameters))
        ) as stream:
            for part in stream:
                self._count(part)
                yield part.bytes()

    def _whole(self, statement: Statement, parameters: Mapping[str, str]) -> bytes:
        result = self._connection.query(statement.sql, statement.format, params=dict(parameters))
        self._count(result)
        return bytes(result.bytes())

    def _count(self, result: Any) -> None:
        self.summary.read_rows += result.storage_rows_read()
        self.summary.read_bytes += result.storage_bytes_read()
        self.summary.written_rows += result.rows_written()
        self.summary.written_bytes += result.bytes_written()
        self.summary.result_rows += result.rows_read()
        self.summary.result_bytes += result.size()


def _quoted(text: str, quote: str) -> str:
    escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{quote}{escaped}{quote}"
