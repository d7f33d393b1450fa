"""Where a run's events go: to Kafka through the client, or into a file of one event a line."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol, cast

from loopin_producers.client import Loopin
from loopin_producers.replay.in_flight import InFlight
from loopin_producers.replay.sender import LAST_FLUSH_S, Sender
from loopin_producers.simulator.errors import SimulationError
from loopin_producers.simulator.scribe import Written

STDOUT = Path("-")


class Output(Protocol):
    """Takes a run's events, numbered from 1 in order of time.

    ``delivered`` counts those that are safe, ``unacknowledged`` those sent without an answer, ``position``
    is the last of the unbroken line of safe ones; ``problem`` says in one sentence what ended the run.
    """

    @property
    def delivered(self) -> int: ...

    @property
    def unacknowledged(self) -> int: ...

    @property
    def position(self) -> int: ...

    @property
    def problem(self) -> str | None: ...

    def begin(self, skipped: int, on_wait: Callable[[], object]) -> None:
        """Before the first event: so many are safe already; ``on_wait`` is called while there is no room."""

    def send(self, number: int, written: Written) -> bool:
        """Take an event; False ends the run."""

    def flush(self) -> None:
        """Before a pause: let readers see what is there."""

    def finish(self) -> None:
        """Wait until every event is safe, or known to be lost."""

    def interrupt(self) -> None:
        """A last attempt to get out what is queued, when something else has ended the run."""


class KafkaOutput:
    """Publishes through a client, as a replay does.

    Raises:
        SimulationError: ``publishing_disabled``.
    """

    def __init__(self, client: Loopin) -> None:
        if client.disabled:
            raise SimulationError(
                "publishing_disabled", "Set LOOPIN_ENABLED=true: publishing is switched off."
            )
        self._client = client
        self._prefix = f"{client.project}:".encode()
        self.begin(0, lambda: None)

    def begin(self, skipped: int, on_wait: Callable[[], object]) -> None:
        """Count on from the events that are there already."""
        self._sender = Sender(self._client, InFlight(skipped), on_wait=on_wait, work="simulation")

    @property
    def delivered(self) -> int:
        """Events that the broker has acknowledged."""
        return self._sender.in_flight.delivered

    @property
    def unacknowledged(self) -> int:
        """Events without the broker's answer."""
        return self._sender.in_flight.unacknowledged

    @property
    def position(self) -> int:
        """The last event up to which all are acknowledged."""
        return self._sender.in_flight.position()[0]

    @property
    def problem(self) -> str | None:
        """What ended the run."""
        return self._sender.problem

    def send(self, number: int, written: Written) -> bool:
        """Publish an event as soon as there is room."""
        return self._sender.send(number, self._prefix + written.distinct_id, written.body)

    def flush(self) -> None:
        """Nothing to do: the client sends within milliseconds."""

    def finish(self) -> None:
        """Wait for the acknowledgements."""
        self._sender.finish()

    def interrupt(self) -> None:
        """Give what is queued ten seconds."""
        self._client.flush(LAST_FLUSH_S)


class FileOutput:
    """Writes each event as a line of JSON, the wire form of ``events.raw``, which ``loopin replay`` reads."""

    problem: str | None = None
    unacknowledged = 0

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.delivered = self.position = 0

    def begin(self, skipped: int, on_wait: Callable[[], object]) -> None:
        """A file begins with the world and never waits."""

    def send(self, number: int, written: Written) -> bool:
        """Write a line."""
        self._file.write(written.body + b"\n")
        self.delivered += 1
        self.position = number
        return True

    def flush(self) -> None:
        """Hand over what is buffered."""
        self._file.flush()

    def finish(self) -> None:
        """Hand over what is buffered."""
        self._file.flush()

    interrupt = finish


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file to write into: compressed if its name ends in .gz, standard output for ``-``.

    Equal runs give equal bytes: no time and no name go into a compressed file.

    Raises:
        SimulationError: ``out_unwritable``.
    """
    if path == STDOUT:
        yield sys.stdout.buffer
        return
    try:
        file = path.open("wb")
    except OSError as error:
        reason = f"Make {path} a file that can be written: {error.strerror}."
        raise SimulationError("out_unwritable", reason) from error
    with file:
        if path.suffix != ".gz":
            yield file
            return
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=4) as packed:
            yield cast(IO[bytes], packed)
