"""The enrichment as a job of the exactly-once runner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from loopin_schemas import topics
from loopin_streams.enrich.absorber import EnrichAbsorber
from loopin_streams.enrich.costs import StepCosts
from loopin_streams.enrich.draft import Context, Origin
from loopin_streams.enrich.seen import LIMIT, WINDOW_MS, Seen
from loopin_streams.state.profiles import Profiles
from loopin_streams.state.spill import keyed_store
from loopin_streams.windows.open_windows import OpenWindows
from loopin_text.sentiment import TEXT_PROPERTIES


@dataclass(frozen=True, slots=True)
class EnrichOptions:
    """What the enrichment is told by the settings.

    ``partitions`` is how many ``events.raw`` has, ``currency`` the projects' own (ISO 4217). With
    ``spill_folder`` profiles are kept there, with ``cache_mb`` of them in memory, instead of all in memory.
    A client's duplicates are known for ``seen_ms``, at most ``seen_limit`` uuids a partition.
    """

    topic_prefix: str
    partitions: int
    text_properties: tuple[str, ...] = TEXT_PROPERTIES
    sentiment: bool = True
    currency: str = "INR"
    spill_folder: Path | None = None
    cache_mb: int = 64
    seen_ms: int = WINDOW_MS
    seen_limit: int = LIMIT


class EnrichJob:
    """From ``events.raw`` to ``events.enriched``, ``events.dlq``, ``profiles``, ``windows`` and
    ``identity.links``."""

    name = "enrich"
    input = topics.RAW.name
    state_topic = topics.ENRICH_STATE.name
    history = (topics.SEEN.name, topics.PROFILES.name)
    outputs = (topics.ENRICHED.name, topics.DLQ.name)

    def __init__(self, options: EnrichOptions, clock: Callable[[], float] = monotonic) -> None:
        self.costs = StepCosts()
        self._options = options
        self._clock = clock

    def open(self, partition: int, topic_id: str) -> EnrichAbsorber:
        """A partition's enrichment, with nothing known yet."""
        options = self._options
        context = Context(
            origin=Origin(options.topic_prefix + self.input, topic_id, partition),
            text_properties=options.text_properties,
            sentiment=options.sentiment,
            seen=Seen(options.seen_ms, options.seen_limit),
            profiles=Profiles(
                keyed_store(options.spill_folder, f"{self.name}-{partition}", options.cache_mb)
            ),
            windows=OpenWindows(),
            partitions=options.partitions,
            currency=options.currency,
            costs=self.costs,
        )
        return EnrichAbsorber(context, self._clock)
