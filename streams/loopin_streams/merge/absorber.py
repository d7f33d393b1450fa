"""The merge's state for one partition of ``windows``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from loopin_schemas import topics
from loopin_schemas.alert import Alert
from loopin_schemas.codec import decode, decoder, encode, version_of
from loopin_schemas.window import WindowPartials
from loopin_streams.alerts.alarms import Alarms
from loopin_streams.alerts.rules import Rules
from loopin_streams.alerts.thresholds import Limit
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.job import Output
from loopin_streams.kafka.marker import STATE_VERSION, Marker
from loopin_streams.kafka.state_record import read_state
from loopin_streams.merge.merged_windows import MergedWindow, MergedWindows

log = structlog.get_logger(__name__)

PUBLISH_EVERY_S: Final = 1.0
"""Shortest time between two publications of a window that is open."""

PROGRESS_KEY: Final = b"p"


class Progress(msgspec.Struct, omit_defaults=True):
    """What the state topic keeps beside windows and alerts: watermarks by raw partition."""

    watermarks: dict[int, int] = {}
    revision: int = 0
    version: int = 1


_decode_progress = decoder(Progress).decode


class MergeAbsorber:
    """Sums windows over the raw partitions, and publishes what changed."""

    def __init__(
        self,
        partitions: int,
        rules: Rules,
        limits: Mapping[str, Limit],
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self.windows = MergedWindows()
        self._partitions = partitions
        self.alarms = Alarms(rules, self.windows, limits)
        self._clock = clock
        self._wall_clock = wall_clock
        self._watermarks: dict[int, int] = {}
        self._revision = 0
        self._published_at = clock()
        self._touched: dict[bytes, MergedWindow] = {}
        self._closed_up_to: int | None = None

    @property
    def watermark(self) -> int | None:
        """The least of all raw partitions' watermarks; None until all are known."""
        if len(self._watermarks) < self._partitions:
            return None
        return min(self._watermarks.values())

    def restore(self, topic: str, records: Sequence[Record]) -> None:
        """Nothing: all is on the state topic."""

    def opened(self, marker: Marker, state: Mapping[bytes, bytes]) -> None:
        """Take in the windows and watermarks."""
        self.windows.restore(state)
        progress = read_progress(state.get(PROGRESS_KEY))
        # A partition that no longer exists would hold the watermark for ever.
        self._watermarks = {at: ms for at, ms in progress.watermarks.items() if at < self._partitions}
        self._revision = progress.revision
        self.alarms.restore(state, self.watermark)

    def absorb(self, records: Sequence[Record], position: int) -> Output:
        """Take the raw partitions' shares in."""
        output = Output()
        output.counts.read = len(records)
        for record in records:
            partials = _readable(record)
            if partials is None:
                output.counts.dropped["unreadable"] = output.counts.dropped.get("unreadable", 0) + 1
                continue
            output.counts.passed += 1
            self._touched |= {
                window.key: window for window in self.windows.take(partials.partition, partials.windows)
            }
            if partials.watermark is not None:
                self._watermarks[partials.partition] = partials.watermark
        if self._due():
            # Without a pause in what comes, nothing is idle.
            self._tell(self._passed(), output)
        self._look(output)
        self._finish(output)
        return output

    def idle(self, position: int, caught_up_ms: int | None) -> Output | None:
        """Publish what waits for its second."""
        if self.watermark is None or not self._due():
            return None
        alerts = self._passed()
        if not alerts and not self.windows.unpublished and self.watermark == self._closed_up_to:
            return None
        output = Output()
        self._tell(alerts, output)
        self._look(output)
        self._finish(output)
        return output

    def holds(self) -> Mapping[str, int]:
        """Windows, the series in them, and alerts that are not over or were until lately."""
        return {"windows": len(self.windows), "series": self.windows.cells, "alerts": len(self.alarms)}

    def close(self) -> None:
        """Nothing to let go of."""

    def _look(self, output: Output) -> None:
        """Alerts of what has changed."""
        if self.watermark is not None:
            touched = self._touched.values()
            self._tell(self.alarms.look(touched, self.watermark, self._now_ms()), output)
            self._touched = {}

    def _passed(self) -> list[Alert]:
        """What follows from the time that has passed, once all partitions have spoken."""
        watermark = self.watermark
        return [] if watermark is None else self.alarms.pass_time(watermark, self._now_ms())

    def _tell(self, alerts: Iterable[Alert], output: Output) -> None:
        for alert in alerts:
            key = f"{alert.project}:{alert.rule}".encode()
            output.route(topics.ALERTS.name, 0, key, encode(alert))

    def _finish(self, output: Output) -> None:
        watermark = self.watermark
        # Until every partition has spoken, as after a rebuild, sums are those of some: they would replace the
        # right ones in the store.
        if watermark is not None and self._due():
            self._published_at = self._clock()
            self._closed_up_to = watermark
            self.windows.close(watermark)
            self._publish(output)
            for message in self.windows.drop_gone(watermark):
                output.add(topics.MERGE_STATE.name, *message)
        for message in self.windows.changes():
            output.add(topics.MERGE_STATE.name, *message)
        for message in self.alarms.changes():
            output.add(topics.MERGE_STATE.name, *message)
        progress = Progress(dict(self._watermarks), self._revision, STATE_VERSION)
        output.add(topics.MERGE_STATE.name, PROGRESS_KEY, encode(progress))
        output.watermark = watermark

    def _publish(self, output: Output) -> None:
        # Greater than any before, also when the clock has gone back.
        self._revision = max(self._revision + 1, self._now_ms())
        for merged in self.windows.publish(self._revision):
            output.add(topics.METRICS.name, f"{merged.project}:{merged.metric}".encode(), encode(merged))

    def _due(self) -> bool:
        return self._clock() - self._published_at >= PUBLISH_EVERY_S

    def _now_ms(self) -> int:
        return int(self._wall_clock() * 1000)


def _readable(record: Record) -> WindowPartials | None:
    body = record.value or b""
    # First: a newer version may have changed what the other fields are.
    if version_of(body) > STATE_VERSION:
        raise RefusedToOpen(
            "state_version",
            "The topic windows was written by a newer version of this program: run that version here too, or "
            "stop the workers and run `loopin state rebuild merge`.",
        )
    try:
        return decode(body, WindowPartials)
    except (ValueError, RecursionError) as error:
        log.error("partials_unreadable", offset=record.offset, reason=str(error)[:200])
        return None


def read_progress(written: bytes | None) -> Progress:
    """What the state topic says.

    Raises:
        RefusedToOpen: ``state_unreadable`` or ``state_version``.
    """
    if written is None:
        return Progress()
    what = "The progress on the topic merge.state"
    return read_state(written, _decode_progress, what=what, topic="merge.state", job="merge")
