"""A run of a world: from its lines to an output, with the truth beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from loopin_producers.replay.progress import save_progress
from loopin_producers.replay.ticker import Ticker
from loopin_producers.simulator.days import lines
from loopin_producers.simulator.errors import SimulationError
from loopin_producers.simulator.outputs import Output
from loopin_producers.simulator.pace import Pace
from loopin_producers.simulator.parameters import Parameters
from loopin_producers.simulator.scribe import Written, read_line
from loopin_producers.simulator.time_queue import TimeQueue
from loopin_producers.simulator.truth import NoTruth, Truth
from loopin_producers.simulator.world import make_world

_WAIT_S = 0.5
_LOOKS_EVERY = 64


class Progress(msgspec.Struct, kw_only=True):
    """How far a world has come: its first ``acknowledged`` events are with the broker."""

    world: Parameters
    acknowledged: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """What one run has done so far.

    ``published`` events are safe, ``skipped`` ones an earlier run had published, ``unacknowledged`` ones are
    sent again by the next. ``reached_ms`` is the time of the last event. ``problem`` says in one sentence
    why a run ended early.
    """

    published: int
    skipped: int
    unacknowledged: int
    reached_ms: int
    seconds: float
    complete: bool
    problem: str | None = None


class Simulation:
    """One run.

    Args:
        output: gets each event once, in order of time.
        end_ms: events before this time (epoch ms); None goes on until :meth:`stop`.
        skipped: events from the beginning that are published already.
        progress_file: keeps how far the broker has acknowledged.
        on_progress: told several times a second.

    Raises:
        SimulationError: a world that cannot be.
    """

    def __init__(
        self,
        parameters: Parameters,
        output: Output,
        *,
        end_ms: int | None,
        pace: Pace | None = None,
        truth: Truth | None = None,
        skipped: int = 0,
        progress_file: Path | None = None,
        on_progress: Callable[[Summary], object] | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._parameters = parameters
        self._queue = TimeQueue()
        self._world = make_world(parameters, self._queue.push)
        self._output = output
        self._end_ms = end_ms
        self._pace = pace or Pace()
        self._truth = truth or NoTruth()
        self._skipped = skipped
        self._progress_file = progress_file
        self._on_progress = on_progress
        self._sleep = sleep
        self._stopped = self._complete = False
        self._reached_ms = parameters.start_ms
        self._started = time.monotonic()
        self._ticker = Ticker(self._checkpoint, self._tell)

    def stop(self) -> None:
        """Let the run end at the next event; may be called by a signal's handler or another thread."""
        self._stopped = True

    def run(self) -> Summary:
        """Go through the world's events, and wait until the last is safe.

        Whatever ends it, the progress file then holds what the broker has acknowledged.
        """
        self._started = time.monotonic()
        self._output.begin(self._skipped, self._ticker.tick)
        self._checkpoint()
        try:
            self._complete = self._go()
            self._output.finish()
        except BaseException:
            self._output.interrupt()
            raise
        finally:
            self._queue.close()
            self._checkpoint()
        summary = self.summary()
        if self._on_progress is not None:
            self._on_progress(summary)
        return summary

    def summary(self) -> Summary:
        """What the run has done so far."""
        return Summary(
            published=self._output.delivered,
            skipped=self._skipped,
            unacknowledged=self._output.unacknowledged,
            reached_ms=self._reached_ms,
            seconds=time.monotonic() - self._started,
            complete=self._complete,
            problem=self._output.problem,
        )

    def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self.summary())

    def _go(self) -> bool:
        """Send every line; False when the run ended before the world's end."""
        for number, line in enumerate(lines(self._world, self._queue, self._truth, self._end_ms), start=1):
            written = read_line(line)
            if not self._sent(number, written):
                return False
            if written.truth:
                self._truth.mood(written.truth)
            self._reached_ms = written.at_ms
            if number % _LOOKS_EVERY == 0:
                self._ticker.tick()
        return True

    def _sent(self, number: int, written: Written) -> bool:
        """Send an event unless it is safe already; False when the run has to end."""
        if number <= self._skipped:
            return not self._stopped
        self._wait(written)
        if self._stopped or not self._output.send(number, written):
            return False
        self._pace.left()
        return True

    def _wait(self, written: Written) -> None:
        paused = False
        while not self._stopped and (left := self._pace.wait_s(written.at_ms)) > 0:
            if not paused:
                self._output.flush()
                paused = True
            self._sleep(min(left, _WAIT_S))
            self._ticker.tick()

    def _checkpoint(self) -> None:
        if self._progress_file is not None:
            acknowledged = max(self._skipped, self._output.position)
            save_progress(self._progress_file, Progress(world=self._parameters, acknowledged=acknowledged))


def load_progress(path: Path) -> Progress | None:
    """How far an earlier run came, or None when there was none.

    Raises:
        SimulationError: ``progress_unreadable`` or ``version_unknown``.
    """
    try:
        progress = msgspec.json.decode(path.read_bytes(), type=Progress)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = f"Check or delete the progress file {path}: {error}."
        raise SimulationError("progress_unreadable", reason) from error
    progress.world.check()
    return progress


def resumed(path: Path, wanted: Parameters, *, any_start: bool) -> Progress:
    """The progress of this world: an earlier run's where there was one, whose start counts if any does.

    Raises:
        SimulationError: ``progress_of_another`` world, or as :func:`load_progress`.
    """
    progress = load_progress(path)
    if progress is None:
        return Progress(world=wanted)
    known = msgspec.structs.replace(progress.world, start=wanted.start) if any_start else progress.world
    if known != wanted:
        reason = f"Choose another progress file: {path} belongs to another world."
        raise SimulationError("progress_of_another", reason)
    return progress
