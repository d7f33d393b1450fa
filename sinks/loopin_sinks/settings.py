"""Settings of the ClickHouse sink."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AliasChoices, Field, PositiveFloat, field_validator

from loopin_sinks.metric_values.scope import Scope
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
    alert_interval_s: float = Field(
        30.0,
        gt=0,
        le=3600,
        description="shortest time between two judgements of an alert rule by the store, in seconds",
    )
    alert_day_interval_s: float = Field(
        900.0, gt=0, le=86_400, description="the same for rules on whole days, which cost the store most"
    )
    currency: str = Field("INR", pattern=r"^[A-Z]{3}$", description="the projects' currency, ISO 4217")
    project_timezone: str = Field(
        "UTC", description="where a project's days begin, and whose clocks crontabs go by; as the API has it"
    )
    exchange_rates: dict[str, dict[date, PositiveFloat]] = Field(
        {}, description="what other currencies are worth in the projects', as the API has it"
    )
    internal_users: tuple[str, ...] = Field(
        (), description="distinct_ids of your own people, whom metrics leave out, as the API has it"
    )

    @field_validator("project_timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("give a name of the tz database, such as UTC or Asia/Kolkata") from None
        return value

    def scope(self, project: str, now: datetime) -> Scope:
        """A project's events, with its zone, money and people."""
        return Scope(
            project=project,
            zone=ZoneInfo(self.project_timezone),
            now=now,
            currency=self.currency,
            rates={code: sorted(rates.items()) for code, rates in self.exchange_rates.items()},
            internal=self.internal_users,
        )
