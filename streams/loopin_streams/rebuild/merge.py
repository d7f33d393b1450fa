"""The merge's state: empty, at the end of the topic ``windows``.

An enrichment partition that is opened publishes every open window once more, and the merge publishes no sum
before all of them have. So the windows that are open in all partitions come back whole. Those that one of
them has left behind do not: they are recomputed from the events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from time import time
from typing import Final

from loopin_schemas.codec import decode, encode
from loopin_schemas.topics import MERGE_STATE, METRICS, WINDOWS
from loopin_schemas.window import MetricWindow, WindowPartials
from loopin_streams.alerts.book import ALERT_PREFIX
from loopin_streams.alerts.history import HISTORY_PREFIX
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.marker import STATE_VERSION, Counts, Marker
from loopin_streams.kafka.outbox import Probe, no_probe
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.merge.absorber import PROGRESS_KEY, Progress, read_progress
from loopin_streams.merge.job import MergeJob
from loopin_streams.rebuild.old_state import (
    BEGUN_KEY,
    commit_all,
    kept_windows,
    last_messages,
    own_outbox,
    readable_marker,
    stale_keys,
)
from loopin_streams.rebuild.truth import Truth, WindowId
from loopin_streams.windows.grains import BY_NAME, DAY_MS, MINUTE_MS

KEPT: Final = (BEGUN_KEY, PROGRESS_KEY)
KEPT_PREFIXES: Final = (ALERT_PREFIX, HISTORY_PREFIX)

TAIL: Final = 256
"""Offsets read back for the newest record: the last few are transaction markers."""

MOST_MS: Final = 7 * DAY_MS
"""As long as ``metrics`` are kept."""


async def reset_merge(
    settings: KafkaSettings,
    partition: int,
    partitions: int,
    topic_ids: Mapping[str, str],
    counts: Counts,
    probe: Probe = no_probe,
) -> Marker:
    """Replace one partition's state, the marker last; ``counts`` are those of its old marker."""
    state, windows = settings.topic(MERGE_STATE.name), settings.topic(WINDOWS.name)

    def left_over(keys: Sequence[bytes]) -> list[bytes]:
        return [key for key in keys if key not in KEPT and not key.startswith(KEPT_PREFIXES)]

    async with Reader(settings.kafka_bootstrap, [(state, partition), (windows, partition)]) as reader:
        marker = Marker(
            topic_id=topic_ids[WINDOWS.name],
            position=(await reader.log(windows, partition)).end,
            counts=counts,
            partitions=partitions,
            stores={MERGE_STATE.name: topic_ids[MERGE_STATE.name]},
            version=STATE_VERSION,
        )
        before = await _progress(reader, state, partition)
        # Its watermarks are told anew, too.
        progress = Progress(revision=before.revision, version=STATE_VERSION)
        async with own_outbox(settings, MergeJob.name, partition, probe) as outbox:
            await commit_all(outbox, state, partition, stale_keys(reader, state, partition, left_over))
            last = [(PROGRESS_KEY, encode(progress)), *last_messages(marker)]
            await outbox.commit([(state, partition, last)])
    return marker


async def unmerged_windows(
    settings: KafkaSettings, partition: int, topic_ids: Mapping[str, str], truth: Truth
) -> set[WindowId]:
    """Windows whose newest numbers the merge may not have published.

    Those that it keeps, and those of the records after its marker; where there is none, of all records that
    are kept, and, if the merge stood still for longer than that, of the events that were appended meanwhile.
    """
    state, windows = settings.topic(MERGE_STATE.name), settings.topic(WINDOWS.name)
    metrics = settings.topic(METRICS.name)
    topics = [(topic, partition) for topic in (state, windows, metrics)]
    async with Reader(settings.kafka_bootstrap, topics) as reader:
        found = set((await kept_windows(reader, state, partition)).values())
        log = await reader.log(windows, partition)
        marker = await readable_marker(reader, state, partition)
        fits = marker is not None and marker.topic_id == topic_ids[WINDOWS.name]
        start = marker.position if marker is not None and fits else log.start
        kept_since = int(time() * 1000)
        async for block in reader.blocks(windows, partition, start=start):
            for record in block:
                kept_since = min(kept_since, record.timestamp)
                found |= _named(record.value)
        if start < log.start or (not fits and log.start > 0):
            published = await _published_ms(reader, metrics, partition) or kept_since - MOST_MS
            found |= await truth.windows_of(start=published - MINUTE_MS, end=kept_since)
    return found


def left_behind(windows: Iterable[WindowId], watermark: int | None) -> set[WindowId]:
    """Those that no stream which begins with this watermark publishes any more."""
    if watermark is None:
        return set()
    return {window for window in windows if BY_NAME[window[1]].gone(window[2], watermark)}


def _named(value: bytes | None) -> set[WindowId]:
    try:
        partials = decode(value or b"", WindowPartials)
    except (ValueError, RecursionError):
        # The merge passes over it, too.
        return set()
    return {(window.project, window.grain, window.start) for window in partials.windows}


async def _progress(reader: Reader, state_topic: str, partition: int) -> Progress:
    """The newest that can be read."""
    found = Progress()
    async for block in reader.blocks(state_topic, partition):
        for record in block:
            if record.key == PROGRESS_KEY:
                with suppress(RefusedToOpen):
                    found = read_progress(record.value)
    return found


async def _published_ms(reader: Reader, metrics: str, partition: int) -> int | None:
    """When the merge last published a sum; None where that is forgotten."""
    log = await reader.log(metrics, partition)
    found: int | None = None
    async for block in reader.blocks(metrics, partition, start=log.end - TAIL):
        for record in block:
            with suppress(ValueError, RecursionError):
                found = decode(record.value or b"", MetricWindow).revision
    return found
