"""One request to an endpoint, within a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, Final

import msgspec
import urllib3

LONGEST_BODY: Final = 64 * 1024
"""Bytes of the longest answer that is read; those that are asked for have some 500."""

_PART: Final = 16 * 1024


class EndpointFailed(Exception):
    """The endpoint did not answer, or not with 200; the message says how, without what was sent."""


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

    def post(self, body: Mapping[str, Any], clock: Callable[[], float] = time.monotonic) -> bytes:
        """The answer's body.

        Raises:
            EndpointFailed: there is none in time, it is too long, or its status is not 200.
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
            if clock() > deadline:
                raise EndpointFailed("its answer takes too long")
        return bytes(read)

    def close(self) -> None:
        """Close its connections."""
        self._pool.clear()
