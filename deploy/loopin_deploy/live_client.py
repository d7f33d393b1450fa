"""The live feed of the API, as the command line reads it."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from loopin_deploy.errors import DeployError

SILENCE_S: Final = 45.0
"""A connection that is silent for so long is lost: a heartbeat comes every 15 s."""

RETRY_S: Final = 2.0


class LiveEvent(NamedTuple):
    """An event of the feed; ``connected`` and ``lost`` tell of the connection, ``data`` of the latter why."""

    kind: str
    id: str
    data: Any


class LiveClient:
    """Listens to a project's feed, and comes back where it was when the connection is lost.

    Args:
        url: address of the API.
        key: a key with the scope read.
        query: filters, as the API takes them.
        sleep: waits so many seconds.
    """

    def __init__(
        self, url: str, key: str, query: str = "", sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._url = url
        self._key = key
        self._query = query
        self._sleep = sleep
        self._last_id = ""
        # A proxy of the environment cannot reach this machine's loopback address.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def events(self) -> Iterator[LiveEvent]:
        """What the feed brings, for ever.

        Raises:
            DeployError: ``api_refused`` where the key is not good (any more).
        """
        while True:
            try:
                yield from self._connected()
                reason = "the API has ended it"
            except urllib.error.HTTPError as error:
                with error:
                    if error.code < 500 and error.code != 429:
                        raise self._refused(error.code) from error
                reason = f"the API answers {error.code}"
            except (OSError, http.client.HTTPException) as error:
                reason = str(error) or type(error).__name__
            yield LiveEvent("lost", self._last_id, reason)
            self._sleep(RETRY_S)

    def _connected(self) -> Iterator[LiveEvent]:
        headers = {"Authorization": f"Bearer {self._key}", "Accept": "text/event-stream"}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        request = urllib.request.Request(f"{self._url}/api/analytics/live{self._query}", headers=headers)
        with self._opener.open(request, timeout=SILENCE_S) as answer:
            yield LiveEvent("connected", self._last_id, None)
            for event in read_events(answer, self._last_id):
                self._last_id = event.id
                if event.data is not None:
                    yield event

    def _refused(self, status: int) -> DeployError:
        reason = (
            f"The API answered {status} on the live feed: give a --key of the project with the scope read."
        )
        return DeployError("api_refused", "--key", reason)


def read_events(lines: Iterable[bytes], last_id: str) -> Iterator[LiveEvent]:
    """Server-Sent Events; those that only say where the client is have no data."""
    kind, data = "message", ""
    for line in lines:
        name, _, value = line.decode().rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data += value
        elif name == "id":
            last_id = value
        elif not name and not value and not line.startswith(b":"):
            yield LiveEvent(kind, last_id, msgspec.json.decode(data) if data else None)
            kind, data = "message", ""
