"""A project's state, kept up to date from the API and its live feed."""

from __future__ import annotations

import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final

from loopin_deploy.api_client import ApiClient
from loopin_deploy.errors import DeployError
from loopin_deploy.live_client import LiveClient, LiveEvent
from loopin_deploy.watch.alerts import MAX_LINES
from loopin_deploy.watch.state import LIVE_QUERY, WatchState

REFRESH_S: Final = 0.5


class Watching:
    """Reads the numbers of now when it is made, and what came since at each :meth:`catch_up`.

    Raises:
        DeployError: the API does not answer, or refuses the key.
    """

    def __init__(self, name: str, url: str, key: str) -> None:
        self.state = WatchState(name)
        self._api = ApiClient(url, key)
        self._client = LiveClient(url, key, LIVE_QUERY)
        self._heard: SimpleQueue[LiveEvent | Exception] = SimpleQueue()
        self._begin()

    def listen(self) -> None:
        """Begin to hear the feed, in a thread of its own."""
        # It waits for the network when the program ends.
        threading.Thread(target=self._listen, daemon=True).start()

    def catch_up(self) -> None:
        """Take in what came; never waits for the feed.

        Raises:
            DeployError: ``api_refused`` where the key is not good any more.
        """
        while True:
            try:
                event = self._heard.get_nowait()
            except Empty:
                break
            if isinstance(event, Exception):
                raise event
            self.state.take(event)
        if self.state.must_read_anew and self.state.lost is None:
            # The feed says when the key is refused; whatever else it is may be over the next time.
            with suppress(DeployError):
                self._begin()

    def _begin(self) -> None:
        alerts = self._api.ask("GET", f"/api/analytics/alerts?page_size={MAX_LINES}")["results"]
        self.state.begin(self._api.real_time(), self._api.overview(days=1), alerts)

    def _listen(self) -> None:
        try:
            for event in self._client.events():
                self._heard.put(event)
        except Exception as error:  # told by whoever catches up
            self._heard.put(error)
