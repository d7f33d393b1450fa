"""One request, as ClickHouse's ``HTTPHandler`` reads it."""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from io import BufferedIOBase
from urllib.parse import parse_qsl

import lz4.frame  # type: ignore[import-untyped]  # the library ships no types

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_FIELD_BYTES = 131_072 + 1
"""``http_max_field_value_size``, by default; the server takes one byte more."""

# ``reserved_param_names`` of HTTPHandler.cpp, and the statement itself: every other argument is a setting.
_NO_SETTINGS = {
    *("query", "compress", "decompress", "user", "password", "quota_key", "query_id", "stacktrace", "role"),
    *("buffer_size", "wait_end_of_query", "session_id", "session_timeout", "session_check", "close_session"),
    *("client_protocol_version", "database", "default_format"),
}


class RequestError(Exception):
    """The request is refused before the engine sees it, with ClickHouse's number of the error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text}")
        self.code = code


class Body:
    """A request's body, read as far as it is asked for.

    ``length`` None means chunks. Every method raises ``ConnectionResetError`` where the body ends early.
    """

    def __init__(self, source: BufferedIOBase, length: int | None) -> None:
        self._parts = _chunks(source) if length is None else _parts(source, length)
        self._read = bytearray()

    def beginning(self, size: int) -> bytes:
        """At least its first ``size`` bytes, where it has as many."""
        while len(self._read) < size and (part := next(self._parts, None)):
            self._read += part
        return bytes(self._read)

    def whole(self) -> bytes:
        return self.beginning(sys.maxsize)


@dataclass(frozen=True, slots=True)
class Arguments:
    """What comes beside the body: in the URL, in a form, or in headers."""

    given: Mapping[str, str]
    """All of them, by name."""

    query: str
    database: str
    default_format: str
    query_id: str
    protocol: int
    user: str
    password: str

    @property
    def parameters(self) -> dict[str, str]:
        """Values of the statement's placeholders, escaped as in TSV."""
        return {name.removeprefix("param_"): v for name, v in self.given.items() if name.startswith("param_")}

    @property
    def settings(self) -> dict[str, str]:
        return {
            name: value
            for name, value in self.given.items()
            if name and name not in _NO_SETTINGS and not name.startswith("param_")
        }

    def is_on(self, *names: str) -> bool:
        return any(self.given.get(name) in ("1", "true") for name in names)


def arguments(query: str, form: Mapping[str, str], headers: Message) -> Arguments:
    """The arguments of a request with this query part of its URL, these form fields and headers.

    Raises:
        RequestError: what we do not speak.
    """
    given = dict(parse_qsl(query, keep_blank_values=True)) | dict(form)
    if given.get("compress") == "1" or given.get("decompress") == "1":
        raise RequestError(48, "ClickHouse's own compression is not spoken here. (NOT_IMPLEMENTED)")
    user, password = _credentials(given, headers)
    return Arguments(
        given=given,
        query=given.get("query", ""),
        database=headers.get("X-ClickHouse-Database", given.get("database", "")),
        default_format=headers.get("X-ClickHouse-Format", given.get("default_format", "TabSeparated")),
        query_id=given.get("query_id", headers.get("X-ClickHouse-Query-Id", "")),
        protocol=int(given.get("client_protocol_version", 0)),
        user=user,
        password=password,
    )


def form(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a ``multipart/form-data`` body.

    Raises:
        RequestError: a field is too long, or it is a file.
    """
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    if boundary is None:
        raise RequestError(1000, "The form has no boundary. (POCO_EXCEPTION)")
    fields = {}
    for part in (b"\r\n" + body).split(f"\r\n--{boundary[1]}".encode())[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        if b"filename=" in head:
            raise RequestError(48, "External tables are not supported here. (NOT_IMPLEMENTED)")
        if len(value) > MAX_FIELD_BYTES:
            raise RequestError(1000, "HTML Form Exception: Field value too long. (POCO_EXCEPTION)")
        name = re.search(rb'name="([^"]*)"', head)
        fields[name[1].decode() if name else ""] = value.decode()
    return fields


def decompressed(data: bytes, encoding: str) -> bytes:
    """A body as it was before ``Content-Encoding``; a sender may have made several frames of it.

    Raises:
        RequestError: the encoding is unknown, or the data is not in it.
    """
    try:
        match encoding:
            case "" | "identity":
                return data
            case "gzip":
                return gzip.decompress(data)
            case "deflate":
                return zlib.decompress(data)
            case "zstd":
                return zstd.decompress(data)
            case "lz4":
                return b"".join(_lz4_frames(data))
    except (OSError, EOFError, zlib.error, zstd.ZstdError, RuntimeError) as error:
        raise RequestError(354, f"{encoding} decode error: {error}. (ZLIB_INFLATE_FAILED)") from error
    raise RequestError(48, f"Unknown compression method {encoding}. (NOT_IMPLEMENTED)")


def _credentials(given: Mapping[str, str], headers: Message) -> tuple[str, str]:
    if user := headers.get("X-ClickHouse-User"):
        # ClickHouse compares bytes; the headers here are read as Latin-1.
        return user, headers.get("X-ClickHouse-Key", "").encode("latin-1").decode(errors="replace")
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(token).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise RequestError(516, "Invalid authentication. (AUTHENTICATION_FAILED)") from error
        return user, password
    return given.get("user", "default"), given.get("password", "")


def _lz4_frames(data: bytes) -> Iterator[bytes]:
    while data:
        frame = lz4.frame.LZ4FrameDecompressor()
        yield frame.decompress(data)
        if not frame.eof:
            raise EOFError("the last frame is not complete")
        data = frame.unused_data or b""


def _parts(source: BufferedIOBase, length: int) -> Iterator[bytes]:
    while length:
        part = source.read(min(length, 65_536))
        if not part:
            raise ConnectionResetError("the body ends early")
        length -= len(part)
        yield part


def _chunks(source: BufferedIOBase) -> Iterator[bytes]:
    while size := _chunk_size(source.readline()):
        yield from _parts(source, size)
        source.readline()
    source.readline()


def _chunk_size(line: bytes) -> int:
    if not line.endswith(b"\n"):
        raise ConnectionResetError("the body ends early")
    return int(line.partition(b";")[0], 16)
