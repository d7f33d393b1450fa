"""One request to an endpoint, within a time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPException
from typing import Any, Final

import msgspec
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

LONGEST_BODY: Final = 64 * 1024
"""Bytes of the longest answer that is read; those that are asked for have some 500."""

_PART: Final = 16 * 1024


class EndpointFailed(Exception):
    """The endpoint did not answer, or not with 200; the message says how, without what was sent."""


class TextRefused(EndpointFailed):
    """The endpoint takes others, it may be, but not this text (such as one that its provider filters)."""


_REFUSING: Final = frozenset({400, 413, 422})
"""Statuses that are said of what was sent, not of the endpoint."""


class _Limited(HTTPConnection):
    """Breaks off an answer whose headers take too long: a timeout of the socket is one of each byte."""

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as in urllib3
        limit = threading.Timer(self.timeout or 0.0, self._break_off, (self.sock,))
        limit.daemon = True
        limit.start()
        try:
            return super().getresponse()
        finally:
            limit.cancel()

    @staticmethod
    def _break_off(sock: socket.socket) -> None:
        with suppress(OSError):
            # Not that of TLS, which takes away from the thread that reads what it reads by.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _LimitedTls(_Limited, HTTPSConnection):
    """The same over TLS."""


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Limited


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _LimitedTls


class ChatClient:
    """Sends chat completions. Safe to share between threads.

    Args:
        base_url: address up to the version, such as ``https://api.openai.com/v1``.
        api_key: sent as the bearer token; None for an endpoint that asks for none.
        timeout_s: longest time of a request, in seconds.
    """

    def __init__(self, base_url: str, api_key: str | None, timeout_s: float) -> None:
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._timeout_s = timeout_s
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key.strip()}"
        self._pool = urllib3.PoolManager(retries=False, maxsize=2)
        self._pool.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def post(self, body: Mapping[str, Any], clock: Callable[[], float] = time.monotonic) -> bytes:
        """The answer's body.

        Raises:
            TextRefused: its status is one of a request that is not taken.
            EndpointFailed: there is none in time, it is too long, or its status is another than 200.
        """
        deadline = clock() + self._timeout_s
        try:
            response = self._pool.request(
                "POST",
                self._url,
                body=msgspec.json.encode(body),
                headers=self._headers,
                timeout=urllib3.Timeout(total=self._timeout_s),
                redirect=False,  # the key is for this address only
                preload_content=False,
            )
            try:
                answer = self._read(response, deadline, clock)
                if clock() >= deadline:  # headers that are broken off look like a whole answer
                    raise EndpointFailed("its answer takes too long")
            except BaseException:
                # Whatever broke off the reading: the rest of this answer must not be taken for the next.
                response.close()
                raise
            response.release_conn()
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as error:
            # Its text may have the address, which may hold a password, or a key that no header can hold.
            raise EndpointFailed(
                f"it cannot be reached or does not answer ({type(error).__name__})"
            ) from None
        if response.status in _REFUSING:
            raise TextRefused(f"it answers with status {response.status}")
        if response.status != 200:
            raise EndpointFailed(f"it answers with status {response.status}")
        return answer

    def _read(self, response: urllib3.BaseHTTPResponse, deadline: float, clock: Callable[[], float]) -> bytes:
        """The body; a timeout of the socket alone would allow a byte now and then for ever."""
        read = bytearray()
        while part := response.read1(_PART):
            read += part
            if len(read) > LONGEST_BODY:
                raise EndpointFailed(f"its answer is longer than {LONGEST_BODY} bytes")
            if clock() >= deadline:
                break
        return bytes(read)

    def close(self) -> None:
        """Close its connections."""
        self._pool.clear()
