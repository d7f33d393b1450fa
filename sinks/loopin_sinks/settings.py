"""Settings of the ClickHouse sink."""

from __future__ import annotations

from pydantic import AliasChoices, Field

from loopin_sinks.opinions.settings import LanguageModelSettings
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.projects.settings import ProjectDefaults


class SinkSettings(KafkaSettings, ProjectDefaults, LanguageModelSettings):
    """How the sink gathers rows (environment: ``LOOPIN_...``); the store has settings of its own."""

    batch_size: int = Field(
        50_000,
        ge=1,
        le=50_000,
        description="most rows of one insert; larger ones stall ClickHouse for a second",
        validation_alias=AliasChoices("LOOPIN_BATCH_SIZE", "ANALYTICS_BATCH_SIZE"),
    )
    insert_interval_s: float = Field(
        0.5, gt=0, le=60, description="longest time that rows wait for an insert, in seconds"
    )
    metric_interval_s: float = Field(
        2.0, gt=0, le=60, description="shortest time between two inserts of metric windows, in seconds"
    )
    profile_interval_s: float = Field(
        0.5,
        gt=0,
        le=3600,
        description="shortest time between two inserts of profiles, in seconds; where many users change, a "
        "second for each 2,000 of them a second, at most 10",
    )
    repair_interval_s: float = Field(
        5.0, gt=0, le=3600, description="pause between two looks for windows to recompute, in seconds"
    )
    rollup_interval_s: float = Field(
        60.0, gt=0, le=3600, description="pause between two looks for days to roll up, in seconds"
    )
    alert_interval_s: float = Field(
        30.0,
        gt=0,
        le=3600,
        description="shortest time between two judgements of an alert rule by the store, in seconds",
    )
    alert_day_interval_s: float = Field(
        900.0, gt=0, le=86_400, description="the same for rules on whole days, which cost the store most"
    )
    ai_enabled: bool = Field(
        True,
        validation_alias=AliasChoices("LOOPIN_AI_ENABLED", "AI_SERVICES_ENABLED"),
        description="when false, stored texts are not judged later",
    )
