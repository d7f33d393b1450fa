"""Settings of the ClickHouse sink."""

from __future__ import annotations

from zoneinfo import available_timezones

from pydantic import AliasChoices, Field, field_validator

from loopin_streams.kafka.settings import KafkaSettings


class SinkSettings(KafkaSettings):
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
        30.0, gt=0, le=3600, description="shortest time between two inserts of profiles, in seconds"
    )
    repair_interval_s: float = Field(
        5.0, gt=0, le=3600, description="pause between two looks for windows to recompute, in seconds"
    )
    rollup_interval_s: float = Field(
        60.0, gt=0, le=3600, description="pause between two looks for days to roll up, in seconds"
    )
    project_timezone: str = Field(
        "UTC", description="where a project's days begin, as the API's setting says"
    )
    currency: str = Field("INR", pattern=r"^[A-Z]{3}$", description="the projects' currency, ISO 4217")

    @field_validator("project_timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value} is no time zone of the tz database, such as Asia/Kolkata")
        return value
