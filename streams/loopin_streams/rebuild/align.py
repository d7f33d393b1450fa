"""One watermark for all enrichment partitions, where only the merge is rebuilt.

Windows that leave thereby are recomputed from the events. Those of ``records_received`` and
``records_rejected`` cannot be: no event tells of a record that was refused or dropped. Where partitions are
apart by more than an hour, their numbers in these windows stay as the merge published them last. So do those
of windows that the merge had not published when all partitions left them, in a rebuild of both, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from loopin_schemas.codec import encode
from loopin_schemas.topics import ENRICH_STATE, RAW
from loopin_streams.enrich.job import EnrichJob
from loopin_streams.kafka.job import Message
from loopin_streams.kafka.marker import MARKER_KEY, Marker
from loopin_streams.kafka.outbox import Probe, no_probe
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.rebuild.old_state import kept_windows, own_outbox, readable_marker
from loopin_streams.rebuild.refused import RebuildRefused
from loopin_streams.rebuild.truth import WindowId
from loopin_streams.windows.grains import BY_NAME


@dataclass(frozen=True, slots=True)
class Aligned:
    """The partitions' markers with their open windows, and the greatest watermark."""

    markers: dict[int, Marker]
    windows: dict[int, dict[bytes, WindowId]]
    watermark: int | None

    def gone(self, partition: int) -> dict[bytes, WindowId]:
        """Windows that are open here and gone elsewhere, so that nobody can publish all of them."""
        watermark = self.watermark
        if watermark is None:
            return {}
        return {
            key: window
            for key, window in self.windows[partition].items()
            if BY_NAME[window[1]].gone(window[2], watermark)
        }


async def look(settings: KafkaSettings, partitions: int, topic_ids: Mapping[str, str]) -> Aligned:
    """What the partitions hold.

    Raises:
        RebuildRefused: ``enrich_unfit``.
    """
    topic = settings.topic(ENRICH_STATE.name)
    markers: dict[int, Marker] = {}
    windows: dict[int, dict[bytes, WindowId]] = {}
    async with Reader(settings.kafka_bootstrap, [(topic, number) for number in range(partitions)]) as reader:
        for number in range(partitions):
            marker = await readable_marker(reader, topic, number)
            stores = marker.stores.get(ENRICH_STATE.name) if marker is not None else None
            if (
                marker is None
                or marker.topic_id != topic_ids[RAW.name]
                or marker.partitions not in (None, partitions)
                or stores not in (None, topic_ids[ENRICH_STATE.name])
            ):
                raise RebuildRefused(
                    "enrich_unfit",
                    "The state of the enrichment, from which the merge begins again, does not fit either: "
                    "run `loopin state rebuild` for both.",
                )
            markers[number] = marker
            windows[number] = await kept_windows(reader, topic, number)
    known = [marker.watermark for marker in markers.values() if marker.watermark is not None]
    return Aligned(markers, windows, max(known, default=None))


async def align(settings: KafkaSettings, aligned: Aligned, partition: int, probe: Probe = no_probe) -> None:
    """Move a partition's watermark to the greatest; repairs of what leaves must have been asked for.

    Events that it still absorbs for these windows are late then, which asks for repairs again.
    """
    marker = aligned.markers[partition]
    if marker.watermark == aligned.watermark:
        return
    moved = encode(replace(marker, watermark=aligned.watermark))
    messages: list[Message] = [(key, None) for key in aligned.gone(partition)]
    messages.append((MARKER_KEY, moved))
    async with own_outbox(settings, EnrichJob.name, partition, probe) as outbox:
        await outbox.commit([(settings.topic(ENRICH_STATE.name), partition, messages)])
