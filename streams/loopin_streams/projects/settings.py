"""What holds of projects that have nothing of their own: one class, for every process that asks."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AliasChoices, Field, PositiveFloat, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from loopin_schemas.project import check_zone
from loopin_streams.projects.project import Project, Retention, rates_of, zone_of

Days = Annotated[int, Field(ge=1, le=3650)]


class ProjectDefaults(BaseSettings):
    """Zone, money, people and retention of projects (environment: ``LOOPIN_...``).

    A project may have its own: see ``loopin_schemas.project.ProjectSettings``.
    """

    model_config = SettingsConfigDict(env_prefix="LOOPIN_", extra="ignore", populate_by_name=True)

    project_timezone: str = Field(
        "UTC", description="where a project's days begin, e.g. Asia/Kolkata, and whose clocks crontabs go by"
    )
    currency: str = Field("INR", pattern=r"^[A-Z]{3}$", description="the projects' currency, ISO 4217")
    exchange_rates: dict[str, dict[date, PositiveFloat]] = Field(
        {},
        description="what one unit of another currency is worth in the projects', from a day on, e.g. "
        '{"EUR": {"2026-01-01": 98.5}}; amounts without a rate are told beside, never added',
    )
    internal_users: tuple[str, ...] = Field(
        (), description="distinct_ids of your own people, whom metrics leave out, one of each person's"
    )
    retention_days: Days = Field(
        90,
        validation_alias=AliasChoices("LOOPIN_RETENTION_DAYS", "ANALYTICS_RETENTION_DAYS"),
        description="days that events and minutes are kept, by their event time",
    )
    project_retention_days: dict[str, Days] = Field(
        default_factory=dict, description='days by project where they differ, as JSON: {"shop": 365}'
    )
    hourly_retention_days: Days = Field(365, description="days that windows and values of hours are kept")
    daily_retention_days: Days = Field(
        1095, description="days that windows, values and rollups of days, weeks and months are kept"
    )

    @field_validator("project_timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        return check_zone(value)

    def project(self, name: str) -> Project:
        """What holds of a project that has nothing of its own."""
        return Project(
            zone=zone_of(self.project_timezone),
            currency=self.currency,
            rates=rates_of(self.exchange_rates),
            internal=frozenset(self.internal_users),
            retention=Retention(
                self.project_retention_days.get(name, self.retention_days),
                self.hourly_retention_days,
                self.daily_retention_days,
            ),
        )
