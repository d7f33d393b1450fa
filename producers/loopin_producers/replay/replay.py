"""Publish the events of a file, as often as it takes and yet once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid5

from loopin_producers.client import Loopin
from loopin_producers.replay.errors import ReplayError
from loopin_producers.replay.formats import format_of
from loopin_producers.replay.in_flight import InFlight
from loopin_producers.replay.mapper import MappedRow, Mapper
from loopin_producers.replay.mapping import Mapping, default_mapping
from loopin_producers.replay.progress import Progress, load_progress, save_progress
from loopin_producers.replay.row import Row, Rows
from loopin_producers.replay.sender import LAST_FLUSH_S, WAIT_S, Sender
from loopin_producers.replay.source import sha256_of
from loopin_producers.replay.ticker import Ticker
from loopin_schemas import InvalidEvent, encode
from loopin_schemas.topics import event_key
from loopin_schemas.validation import check_size

_NAMESPACE = UUID("b3a1c3a6-51a5-5a0b-9c64-2b4f6a0b7d11")


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was passed over: where it begins, its row number, and why."""

    line: int
    number: int
    reason: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What one run has done so far.

    ``published`` rows are acknowledged by the broker, ``bad`` ones were reported and passed over,
    ``unacknowledged`` ones were sent without an answer and are sent again by the next run; ``skipped``
    ones an earlier run had dealt with. ``rows`` is the file's number of rows, None while it is unknown.
    ``shift_ms`` was added to every time. ``problem`` says in one sentence why a run ended early.
    """

    published: int
    bad: int
    unacknowledged: int
    skipped: int
    rows: int | None
    shift_ms: int
    seconds: float
    complete: bool
    problem: str | None = None


class Replay:
    """One file to be published into the client's project.

    The uuid of a row is made from the project, the file's SHA-256 and the row's number, unless the mapping
    names a uuid column: equal rows all count, and a row published again is recognised as a duplicate.

    Args:
        client: publishes; its project receives the events.
        path: CSV, NDJSON or Parquet, gzipped or not.
        mapping: which column is what; by default columns have the canonical names.
        speed: times real time by the rows' own times, in the file's order, or "max".
        shift_to: moves all times so that the greatest becomes this one (epoch ms, or "now").
        progress_file: where to keep how far it has come. A later run goes on from there, with the same
            shift; one that was complete publishes nothing.
        on_progress: called with a Summary, at most five times a second.
        on_bad_line: called with each bad line.
        now_ms: the clock for "now".
        sleep: how to wait for the next row's time.
    """

    def __init__(
        self,
        client: Loopin,
        path: Path,
        mapping: Mapping | None = None,
        *,
        speed: float | Literal["max"] = "max",
        shift_to: int | Literal["now"] | None = None,
        progress_file: Path | None = None,
        on_progress: Callable[[Summary], object] | None = None,
        on_bad_line: Callable[[BadLine], object] | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._speed = math.inf if speed == "max" else float(speed)
        if not self._speed > 0:
            raise ReplayError("speed_invalid", "Give a speed above 0, or max.")
        if client.disabled:
            raise ReplayError("publishing_disabled", "Set LOOPIN_ENABLED=true: publishing is switched off.")
        self._client = client
        self._path = path
        self._format = format_of(path)
        self._mapping = mapping
        self._shift_to = shift_to
        self._progress_file = progress_file
        self._on_progress = on_progress
        self._on_bad_line = on_bad_line
        self._now_ms = now_ms
        self._sleep = sleep
        self._bad = 0
        self._ticker = Ticker(self._checkpoint, self._tell)
        self._pace_from: tuple[float, int] | None = None
        self._started = time.monotonic()
        self._digest = ""
        self._progress = Progress(file_sha256="", project=client.project, shift_ms=0)
        self._skipped = 0
        self._sender = self._sender_from(InFlight())

    def run(self) -> Summary:
        """Publish what is left of the file and wait for the acknowledgements.

        Whatever ends it, Ctrl-C included, the progress file then holds what the broker has acknowledged.
        A run that the broker ends returns, with ``problem`` set.

        Raises:
            ReplayError: the file, the mapping or the progress file cannot be used.
        """
        self._started = time.monotonic()
        self._digest = sha256_of(self._path)
        self._progress = self._restore()
        self._skipped = self._progress.acknowledged
        self._sender = self._sender_from(InFlight(self._progress.acknowledged, self._progress.bad))
        if not self._progress.complete:
            try:
                self._publish_file()
            except BaseException:
                self._client.flush(LAST_FLUSH_S)
                raise
            finally:
                self._checkpoint()
        summary = self.summary()
        if self._on_progress is not None:
            self._on_progress(summary)
        return summary

    def _sender_from(self, in_flight: InFlight) -> Sender:
        return Sender(self._client, in_flight, on_wait=self._ticker.tick, work="replay", sleep=self._sleep)

    def summary(self) -> Summary:
        """What the run has done so far."""
        return Summary(
            published=self._sender.in_flight.delivered,
            bad=self._bad,
            unacknowledged=self._sender.in_flight.unacknowledged,
            skipped=self._skipped,
            rows=self._progress.rows,
            shift_ms=self._progress.shift_ms,
            seconds=time.monotonic() - self._started,
            complete=self._progress.complete,
            problem=self._sender.problem,
        )

    def _restore(self) -> Progress:
        project = self._client.project
        if self._progress_file is not None:
            earlier = load_progress(self._progress_file, self._digest, project)
            if earlier is not None:
                return earlier
        progress = Progress(file_sha256=self._digest, project=project, shift_ms=0)
        if self._shift_to is not None:
            greatest, progress.rows = self._scan()
            target = self._now_ms() if self._shift_to == "now" else self._shift_to
            progress.shift_ms = target - greatest
        if self._progress_file is not None:
            # Before the first event: a run that is killed at once must not choose another shift next time.
            save_progress(self._progress_file, progress)
        return progress

    def _scan(self) -> tuple[int, int]:
        """The greatest time (epoch ms) in the file, and its number of rows."""
        greatest, rows = None, 0
        with self._format.read(self._path) as source:
            mapper = Mapper(self._mapping_for(source))
            for row in source.rows:
                rows = row.number
                try:
                    at = mapper.timestamp(row.values)
                except InvalidEvent:
                    continue
                if at is not None and (greatest is None or at > greatest):
                    greatest = at
        if greatest is None:
            reason = f"Map a column of {self._path.name} to timestamp: without times it cannot be shifted."
            raise ReplayError("timestamps_missing", reason)
        return greatest, rows

    def _mapping_for(self, source: Rows) -> Mapping:
        mapping = self._mapping or default_mapping(source.columns)
        mapping.check_columns(source.columns)
        return mapping

    def _publish_file(self) -> None:
        number = self._skipped
        with self._format.read(self._path) as source:
            mapping = self._mapping_for(source)
            mapper, timed = Mapper(mapping), mapping.columns.timestamp is not None
            for row in source.rows:
                if row.number <= self._skipped:
                    continue
                if not self._publish_row(row, mapper, timed):
                    break
                number = row.number
                self._ticker.tick()
            else:
                self._progress.rows = number
        self._sender.finish()

    def _publish_row(self, row: Row, mapper: Mapper, timed: bool) -> bool:
        """Publish a row or report it; False when the broker's state ends the run."""
        try:
            if row.problem is not None:
                raise InvalidEvent("line_unreadable", None, f"The line is {row.problem}.")
            mapped = mapper(row.values)
            if timed and mapped.timestamp is None:
                raise InvalidEvent("timestamp_missing", "timestamp", "The timestamp is empty.")
            key, body = self._record(row.number, mapped)
        except InvalidEvent as error:
            self._report_bad(BadLine(row.line, row.number, error.reason, error.field))
            return True
        if mapped.timestamp is not None:
            self._pace(mapped.timestamp)
        return self._sender.send(row.number, key, body)

    def _record(self, number: int, mapped: MappedRow) -> tuple[bytes, bytes]:
        built = self._client.build(
            mapped.event,
            mapped.distinct_id,
            mapped.properties,
            timestamp=None if mapped.timestamp is None else mapped.timestamp + self._progress.shift_ms,
            uuid=mapped.uuid or row_uuid(self._client.project, self._digest, number),
            session_id=mapped.session_id,
            source="manual",
        )
        body = encode(built)
        check_size(body)
        return event_key(built.project, built.distinct_id), body

    def _report_bad(self, line: BadLine) -> None:
        if self._on_bad_line is not None:
            self._on_bad_line(line)
        self._bad += 1
        self._sender.in_flight.add_bad(line.number)

    def _pace(self, at_ms: int) -> None:
        if math.isinf(self._speed):
            return
        if self._pace_from is None:
            self._pace_from = (time.monotonic(), at_ms)
        began, first_ms = self._pace_from
        due = began + (at_ms - first_ms) / 1000 / self._speed
        while (left := due - time.monotonic()) > 0:
            self._ticker.tick()
            self._sleep(min(left, WAIT_S))

    def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self.summary())

    def _checkpoint(self) -> None:
        self._progress.acknowledged, self._progress.bad = self._sender.in_flight.position()
        if self._progress_file is not None:
            save_progress(self._progress_file, self._progress)


def row_uuid(project: str, file_sha256: str, number: int) -> str:
    """The uuid of a row (numbered from 1) of a file: version 5, from the file's hash and the row's number.

    The project is part of it, so that one file can be replayed into two projects.
    """
    return str(uuid5(_NAMESPACE, f"{project}:{file_sha256}:{number}"))
