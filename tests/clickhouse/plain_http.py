"""Requests to the server without a ClickHouse client."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Answered(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Ask(Protocol):
    """Sends one request on a connection of its own, as the server's user unless headers say otherwise."""

    def __call__(
        self,
        arguments: Mapping[str, str],
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
        path: str = "/",
    ) -> Answered: ...
