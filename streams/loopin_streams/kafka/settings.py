"""Settings that every process on the broker shares."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class KafkaSettings(BaseSettings):
    """Where the broker is and how its topics are laid out (environment: ``LOOPIN_...``)."""

    model_config = SettingsConfigDict(env_prefix="LOOPIN_", extra="ignore", populate_by_name=True)

    kafka_bootstrap: str = Field("127.0.0.1:9092", description="host:port of the brokers, comma separated")
    topic_prefix: str = Field(
        "loopin.", description="put before every topic name", pattern=r"^[a-zA-Z0-9._-]*$"
    )
    partitions: int = Field(4, ge=1, le=1024, description="partitions of events.raw and the topics beside it")
    replication: int = Field(1, ge=1, le=9, description="replicas of each topic")
    session_timeout_s: float = Field(
        10.0, ge=1, le=300, description="seconds until a silent worker's partitions go to others"
    )
    max_lag_s: float = Field(
        300.0, gt=0, le=604_800, description="a consumer that is further behind, in seconds, is not ready"
    )
    stall_s: float = Field(
        30.0, gt=0, le=3600, description="a consumer that is behind and stands still for longer is not ready"
    )
    health_host: str = Field("127.0.0.1", description="address that /healthz, /readyz and /metrics listen on")
    health_port: int = Field(8001, ge=0, le=65535, description="their port; 0 takes a free one")

    def topic(self, name: str) -> str:
        """Full name of a topic on the broker."""
        return f"{self.topic_prefix}{name}"
