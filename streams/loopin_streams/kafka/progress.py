"""What a job has done over all its partitions, read from its markers."""

from __future__ import annotations

from loopin_schemas.codec import decode
from loopin_streams.kafka.marker import MARKER_KEY, Counts, Marker
from loopin_streams.kafka.reader import Reader


async def job_counts(bootstrap: str, state_topic: str, partitions: int) -> Counts:
    """Sum of the newest markers' counts; exact, because each marker was committed with its work."""
    total = Counts()
    async with Reader(bootstrap, [(state_topic, number) for number in range(partitions)]) as reader:
        for number in range(partitions):
            markers = [r for r in await reader.read(state_topic, number) if r.key == MARKER_KEY and r.value]
            if markers:
                total = total.plus(decode(markers[-1].value or b"", Marker).counts)
    return total
