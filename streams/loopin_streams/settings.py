"""Settings of the stream worker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from loopin_streams.enrich.ip_address import Privacy
from loopin_streams.enrich.job import EnrichOptions
from loopin_streams.enrich.seen import HOUR_MS, LIMIT, MAX_LIMIT, WINDOW_MS
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.merge.invalid_ratio import InvalidRatioLimits
from loopin_streams.projects.settings import ProjectDefaults
from loopin_streams.state.keyed_store import KeyedStore
from loopin_streams.state.sessions import LONGEST_MS, TIMEOUT_MS
from loopin_streams.state.spill import keyed_store
from loopin_text.pii import Kind
from loopin_text.sentiment import TEXT_PROPERTIES

Share = Annotated[float, Field(ge=0, le=1)]


class StreamSettings(KafkaSettings, ProjectDefaults):
    """The enrichment worker (environment: ``LOOPIN_...``)."""

    ai_enabled: bool = Field(
        True,
        description="score the sentiment of texts",
        validation_alias=AliasChoices("LOOPIN_AI_ENABLED", "AI_SERVICES_ENABLED"),
    )
    text_properties: tuple[str, ...] = Field(
        TEXT_PROPERTIES, description="event properties whose text is scored, as a JSON list"
    )
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

    scrub: tuple[Kind, ...] = Field(
        ("email", "phone", "card", "token"),
        description="personal data that is replaced in property values, as a JSON list; [] for none",
    )
    scrub_except: tuple[str, ...] = Field(
        (), description="properties that are left as they are, as a JSON list"
    )
    geoip_db: Path | None = Field(
        None,
        description="MaxMind-format file (.mmdb) that tells where IP addresses are; without it nobody does",
    )
    ip: Privacy = Field(
        "drop", description="what becomes of IP addresses: drop, truncate (to /24 or /48), or keep"
    )
    track_anonymous_users: bool = Field(
        True, description="whether events of users who never said who they are count"
    )
    session_timeout: int = Field(
        TIMEOUT_MS // 1000,
        ge=1,
        le=LONGEST_MS // 1000,
        description="seconds without an event after which a user's session ends",
    )
    sampling_rate: Share = Field(
        1.0, description="share of users whose events count; nothing is scaled up to the whole"
    )
    enable_real_time: bool = Field(
        True, description="publish changed windows every second; otherwise when a minute is over"
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
            spill_folder=self.spill_folder,
            cache_mb=self.state_cache_mb,
            seen_ms=self.seen_ms,
            seen_limit=self.seen_limit,
            scrub=frozenset(self.scrub),
            scrub_except=frozenset(self.scrub_except),
            geoip_db=self.geoip_db,
            ip=self.ip,
            session_timeout_ms=self.session_timeout * 1000,
            track_anonymous_users=self.track_anonymous_users,
            sampling_rate=self.sampling_rate,
            real_time=self.enable_real_time,
        )

    def invalid_ratio_limits(self) -> InvalidRatioLimits:
        """When too many invalid records raise an alert."""
        return InvalidRatioLimits(self.invalid_ratio, self.invalid_ratios)
