"""Settings of what all roles do beside their work."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class HostMetricsSettings(BaseSettings):
    """How often roles measure themselves (environment: ``LOOPIN_HOST_METRICS_...``)."""

    model_config = SettingsConfigDict(env_prefix="LOOPIN_", extra="ignore", populate_by_name=True)

    host_metrics_interval_s: float = Field(
        60.0, ge=0, le=86_400, description="seconds between two measurements of a role and its host; 0: none"
    )
    host_metrics_project: str = Field(
        "loopin", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="project that these events are of"
    )
    host_metrics_disk: Path = Field(Path("/"), description="a folder on the disk whose use is measured")
