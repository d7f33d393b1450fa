"""One answer, as ClickHouse's ``WriteBufferFromHTTPServerResponse`` sends it."""

from __future__ import annotations

import secrets
import string
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

import lz4.frame  # type: ignore[import-untyped]  # the library ships no types

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BUFFER_BYTES = 1 << 20
"""``DBMS_DEFAULT_BUFFER_SIZE``: a failure within the first so many bytes still changes the status."""

MAX_EXCEPTION_BYTES = 16_000

# The order of ``chooseHTTPCompressionMethod``, as far as we speak them.
_ENCODINGS = ("zstd", "lz4", "gzip", "deflate")

# ``exceptionCodeToHTTPStatus``, without what neither the engine nor our client can meet.
_STATUS = {
    194: 401,
    **dict.fromkeys((192, 193, 497, 512, 516), 403),
    **dict.fromkeys((6, 8, 15, 25, 26, 27, 36, 38, 41, 44, 53, 62, 72, 117, 321, 376, 427, 441), 400),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 336, 511), 404),
    159: 408,
    381: 411,
    48: 501,
    **dict.fromkeys((76, 209, 439), 503),
}


class Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _Lz4:
    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._begun = b""

    def compress(self, data: bytes) -> bytes:
        head = b"" if self._frame.started() else self._frame.begin()
        return bytes(head + self._frame.compress(data))

    def flush(self) -> bytes:
        return bytes(self._frame.flush())


class _Plain:
    def compress(self, data: bytes) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def negotiated(accept: str) -> str:
    """The encoding for a client that accepts these; ``""`` for none."""
    return next((encoding for encoding in _ENCODINGS if encoding in accept), "")


def status_of(code: int) -> int:
    """The HTTP status for ClickHouse's number of an error."""
    return _STATUS.get(code, 500)


class Answer:
    """An answer in chunks, which is held back until it is long enough, or complete if ``hold`` is None.

    Args:
        start: sends status and headers.
        send: sends bytes of the body.
        encoding: of the body, ``""`` for none.
        hold: bytes of the result that are held back.
    """

    def __init__(
        self,
        start: Callable[[int, Mapping[str, str]], None],
        send: Callable[[bytes], None],
        encoding: str,
        hold: int | None,
    ) -> None:
        self.headers: dict[str, str] = {}
        self._start = start
        self._send = send
        self._encoding = encoding
        self._compressor = _compressor(encoding)
        self._hold = hold
        self._held = bytearray()
        self._begun = False
        self._tag = "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))

    def write(self, part: bytes) -> None:
        self._held += part
        if self._hold is not None and len(self._held) > self._hold:
            self._begin(200)
            self._flush()
            # Later parts go as the engine gives them.
            self._hold = 0

    def finish(self) -> None:
        self._begin(200)
        self._flush()
        self._chunk(self._compressor.flush() if "Content-Encoding" in self.headers else b"")
        self._send(b"0\r\n\r\n")

    def fail(self, code: int, text: str) -> None:
        """Answer with the error.

        Raises:
            ConnectionAbortedError: part of the result was sent: the error follows it, and the connection is
                to be closed without the end of the answer.
        """
        if not self._begun:
            self.headers["X-ClickHouse-Exception-Code"] = str(code)
            self._held[:] = f"{text}\n".encode()
            self._begin(status_of(code))
            self.finish()
            return
        self._held += _tail(text, self._tag)
        self._flush()
        self._chunk(self._compressor.flush())
        raise ConnectionAbortedError("the result failed when part of it was sent")

    def _begin(self, status: int) -> None:
        if self._begun:
            return
        self._begun = True
        self.headers |= {"Transfer-Encoding": "chunked", "X-ClickHouse-Exception-Tag": self._tag}
        if self._held and self._encoding:
            self.headers["Content-Encoding"] = self._encoding
        self._start(status, self.headers)

    def _flush(self) -> None:
        if self._held:
            self._chunk(self._compressor.compress(bytes(self._held)))
            self._held.clear()

    def _chunk(self, data: bytes) -> None:
        if data:
            self._send(b"%x\r\n%b\r\n" % (len(data), data))


def _compressor(encoding: str) -> Compressor:
    match encoding:
        case "zstd":
            return zstd.ZstdCompressor()
        case "lz4":
            return _Lz4()
        case "gzip":
            return zlib.compressobj(wbits=31)
        case "deflate":
            return zlib.compressobj()
    return _Plain()


def _tail(text: str, tag: str) -> bytes:
    message = f"{text}\n".encode()[-MAX_EXCEPTION_BYTES:]
    return b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (
        tag.encode(),
        message,
        len(message),
        tag.encode(),
    )
