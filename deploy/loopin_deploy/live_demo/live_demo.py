"""The crowd and the sale at work, in threads beside whoever shows what comes of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

from loopin_deploy.api_client import ApiClient
from loopin_deploy.live_demo.crowd import Crowd
from loopin_deploy.live_demo.sale import Sale
from loopin_deploy.live_demo.scene import METRIC, Play
from loopin_producers import Loopin
from loopin_producers.simulator import SimulationError
from loopin_schemas.alert import Severity

STEP_S: Final = 0.1
RETRY_S: Final = 2.0
STOP_S: Final = 5.0


class LiveDemo:
    """What happens inside :func:`live_demo`; ``act`` is where the play is, ``says`` tells it to a person."""

    def __init__(self, client: Loopin, progress_file: Path, alert: Callable[[], Severity | None]) -> None:
        self.act = self.says = ""
        self._client = client
        self._progress_file = progress_file
        self._alert = alert
        self._ended = threading.Event()
        self._crowd: Crowd | None = None

    def stop(self) -> None:
        """Let both end."""
        self._ended.set()
        if self._crowd is not None:
            self._crowd.stop()

    def crowd(self) -> None:
        """Go on with the crowd's world, also after the broker was away."""
        while not self._ended.is_set():
            self._crowd = Crowd(self._client, self._progress_file)
            if self._ended.is_set():
                return
            try:
                self._crowd.run()
            except SimulationError:
                # Of another release, or broken: it is worth nothing, and the world begins anew.
                self._progress_file.unlink(missing_ok=True)
            self._ended.wait(RETRY_S)

    def sale(self) -> None:
        """Go through the play."""
        now_s = time.monotonic()
        play, sale = Play(now_s), Sale(now_s, Random())
        while not self._ended.wait(STEP_S):
            now_s = time.monotonic()
            act = play.at(now_s, self._alert())
            self.act, self.says = act.name, act.says
            for event, buyer, properties in sale.since(now_s, act):
                self._client.capture(event, buyer, properties)


@contextmanager
def live_demo(
    client: Loopin, progress_file: Path, alert: Callable[[], Severity | None]
) -> Iterator[LiveDemo]:
    """Crowd and sale go on inside; ``alert`` says how severe the alert on payments is."""
    demo = LiveDemo(client, progress_file, alert)
    threads = [threading.Thread(target=work, daemon=True) for work in (demo.crowd, demo.sale)]
    for thread in threads:
        thread.start()
    try:
        yield demo
    finally:
        demo.stop()
        for thread in threads:
            thread.join(STOP_S)


def let_it_fire_again(api: ApiClient) -> None:
    """Make the project's rule wait for nothing after an alert, so that each run of the demo has one.

    Raises:
        DeployError: the API refuses, or does not answer.
    """
    path = f"/api/analytics/alert-rules/{METRIC}"
    rule: dict[str, Any] = api.ask("GET", path)
    if rule["quiet_s"]:
        api.ask("PATCH", path, {"quiet_s": 0})
