"""Sends numbered records at the broker's pace: waits for room, and knows why a run had to end."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from loopin_producers.client import Loopin
from loopin_producers.errors import LoopinError, QueueFull
from loopin_producers.replay.in_flight import InFlight

MAX_IN_FLIGHT = 10_000
"""Records that may wait for the broker."""

WAIT_S = 0.5
LAST_FLUSH_S = 10.0


class Sender:
    """Hands records to a client, at most ``MAX_IN_FLIGHT`` ahead of the broker.

    Args:
        in_flight: where the run stands.
        on_wait: called at least each half second while it waits.
        work: what the run is called, for the sentence that says how to go on.

    Attributes:
        problem: one sentence, once the broker's state has ended the run.
    """

    def __init__(
        self,
        client: Loopin,
        in_flight: InFlight,
        *,
        on_wait: Callable[[], object],
        work: str,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.in_flight = in_flight
        self.problem: str | None = None
        self._client = client
        self._on_wait = on_wait
        self._work = work
        self._sleep = sleep
        self._limit = min(MAX_IN_FLIGHT, client.max_queue_size)

    def send(self, number: int, key: bytes, body: bytes) -> bool:
        """Publish a record as soon as there is room; False when the broker's state ends the run."""
        self.in_flight.add(number)
        while self._note_failure() is None:
            if not self._client.wait_for_room(self._limit, WAIT_S):
                self._on_wait()
                continue
            try:
                self._client.publish_record(key, body, partial(self.in_flight.settle, number))
                return True
            except QueueFull:
                self._sleep(WAIT_S / 10)  # others use the same client; there will be room again
            except LoopinError as error:
                self.problem = error.reason
        self.in_flight.withdraw(number)
        return False

    def finish(self) -> None:
        """Wait until every record's outcome is known."""
        while self.in_flight.waiting:
            self._client.wait_for_room(1, WAIT_S)
            self._on_wait()
        self._note_failure()

    def _note_failure(self) -> str | None:
        failure = self.in_flight.failure
        if failure is not None and self.problem is None:
            self.problem = (
                f"{failure.reason.rstrip('.')}: run the {self._work} again to go on where it stopped."
            )
        return self.problem
