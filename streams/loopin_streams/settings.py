"""Settings of the stream worker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from loopin_streams.enrich.job import EnrichOptions
from loopin_streams.enrich.seen import HOUR_MS, LIMIT, MAX_LIMIT, WINDOW_MS
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.merge.invalid_ratio import InvalidRatioLimits
from loopin_streams.state.keyed_store import KeyedStore
from loopin_streams.state.spill import keyed_store
from loopin_text.sentiment import TEXT_PROPERTIES

Share = Annotated[float, Field(ge=0, le=1)]


class StreamSettings(KafkaSettings):
    """The enrichment worker (environment: ``LOOPIN_...``)."""

    ai_enabled: bool = Field(
        True,
        description="score the sentiment of texts",
        validation_alias=AliasChoices("LOOPIN_AI_ENABLED", "AI_SERVICES_ENABLED"),
    )
    text_properties: tuple[str, ...] = Field(
        TEXT_PROPERTIES, description="event properties whose text is scored, as a JSON list"
    )
    currency: str = Field("INR", pattern=r"^[A-Z]{3}$", description="the projects' currency, ISO 4217")
    state_store: Literal["memory", "disk"] = Field(
        "memory",
        description="where a worker keeps profiles and persons: in memory, or in RocksDB below data_dir",
    )
    state_cache_mb: int = Field(64, ge=1, description="memory for profiles on disk, MB a partition")
    seen_hours: float = Field(
        WINDOW_MS / HOUR_MS,
        gt=0,
        le=168,
        description="hours for which an event that a client sends again is dropped",
    )
    seen_limit: int = Field(
        LIMIT,
        ge=1000,
        le=MAX_LIMIT,
        description="most uuids remembered for that in a partition, 8 bytes each",
    )
    data_dir: Path = Field(Path("data"), description="folder of everything kept on this machine")
    invalid_ratio: Share = Field(
        0.05, description="share of a minute's records, refused for one reason, that raises an alert"
    )
    invalid_ratios: dict[str, Share] = Field(
        default_factory=dict,
        description='that share where it differs, as JSON: {"shop": 0.2, "shop/uuid_invalid": 1}',
    )

    @property
    def seen_ms(self) -> int:
        """``seen_hours`` in milliseconds."""
        return round(self.seen_hours * HOUR_MS)

    @property
    def spill_folder(self) -> Path | None:
        """Where state is kept on disk; None where it is in memory."""
        return self.data_dir / "state" if self.state_store == "disk" else None

    def keyed_store(self, name: str) -> KeyedStore:
        """An empty store for the state of a job's partition, by name."""
        return keyed_store(self.spill_folder, name, self.state_cache_mb)

    def enrich_options(self, partitions: int) -> EnrichOptions:
        """What the enrichment is told; ``partitions`` is how many ``events.raw`` has."""
        return EnrichOptions(
            topic_prefix=self.topic_prefix,
            partitions=partitions,
            text_properties=self.text_properties,
            sentiment=self.ai_enabled,
            currency=self.currency,
            spill_folder=self.spill_folder,
            cache_mb=self.state_cache_mb,
            seen_ms=self.seen_ms,
            seen_limit=self.seen_limit,
        )

    def invalid_ratio_limits(self) -> InvalidRatioLimits:
        """When too many invalid records raise an alert."""
        return InvalidRatioLimits(self.invalid_ratio, self.invalid_ratios)
