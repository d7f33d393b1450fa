"""A larger simulated community whose days pass in minutes, each event published as of now."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from loopin_producers import Loopin
from loopin_producers.simulator import KafkaOutput, Pace, Parameters, Simulation, Written, resumed
from loopin_producers.uuid7 import uuid7
from loopin_schemas import Event
from loopin_schemas.codec import decode, encode

USERS: Final = 3000
DAYS: Final = 30
SEED: Final = 15
SPEED: Final = 60
"""An hour of this world takes a minute, which gives 6 to 20 events a second."""

MOST_A_SECOND: Final = 25.0


class Crowd:
    """Publishes until it is stopped; a later run goes on where the world was.

    Args:
        client: of the project that gets the events.
        progress_file: keeps how far the world is.
    """

    def __init__(self, client: Loopin, progress_file: Path) -> None:
        self._client = client
        self._progress_file = progress_file
        self._simulation: Simulation | None = None
        self._stopped = False

    def run(self) -> None:
        """Publish, until :meth:`stop` or until the broker has not answered for long."""
        wanted = world(self._client.project, datetime.now(UTC).date())
        earlier = resumed(self._progress_file, wanted, any_start=True)
        self._simulation = Simulation(
            earlier.world,
            AsOfNow(self._client),
            end_ms=None,
            pace=Pace(speed=SPEED, rate=MOST_A_SECOND),
            skipped=earlier.acknowledged,
            progress_file=self._progress_file,
        )
        if not self._stopped:
            self._simulation.run()

    def stop(self) -> None:
        """Let :meth:`run` end at its next event; from another thread."""
        self._stopped = True
        if self._simulation is not None:
            self._simulation.stop()


class AsOfNow(KafkaOutput):
    """Gives each event the time at which it is published, and users names beside those of other worlds."""

    def __init__(
        self, client: Loopin, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        super().__init__(client)
        self._now_ms = now_ms

    def send(self, number: int, written: Written) -> bool:
        """Publish the event as of now."""
        body = written.body.replace(b'"user-', b'"guest-')
        event = decode(body, Event)
        event.uuid, event.timestamp = uuid7.text(), self._now_ms()
        return super().send(
            number, written._replace(distinct_id=event.distinct_id.encode(), body=encode(event))
        )


def world(project: str, start: date) -> Parameters:
    """The crowd's world, when its first day is this one."""
    return Parameters(project=project, users=USERS, days=DAYS, seed=SEED, start=start)
