"""Settings of the store, for every process that reads or writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class StoreSettings(BaseSettings):
    """Which ClickHouse to use, and within which bounds (``LOOPIN_...``)."""

    model_config = SettingsConfigDict(env_prefix="LOOPIN_", extra="ignore", populate_by_name=True)

    clickhouse_url: str = Field(
        "", description="http(s)://host:port of a ClickHouse server; empty for the embedded one in data_dir"
    )
    clickhouse_user: str = Field("default", min_length=1, description="user on the ClickHouse server")
    clickhouse_password: SecretStr = Field(SecretStr(""), description="password of that user")
    clickhouse_database: str = Field(
        "default",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="database on the ClickHouse server; must exist",
    )
    data_dir: Path = Field(Path("data"), description="folder of everything kept on this machine")
    store_engine: Literal["MergeTree", "ReplicatedMergeTree"] = Field(
        "MergeTree", description="table engines of a new store: plain, or replicated by ClickHouse Keeper"
    )
    store_cluster: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_.-]*$",
        description="cluster on which migrations create tables; empty for none",
    )
    store_memory_mb: int = Field(1024, ge=256, description="memory the embedded engine may use, MB")
    query_timeout_s: float = Field(30, gt=0, le=3600, description="longest run of one query, seconds")

    @field_validator("clickhouse_url")
    @classmethod
    def _is_a_plain_http_url(cls, url: str) -> str:
        if not url:
            return url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                "give http://host:port or https://host:port, or leave it empty for the embedded store"
            )
        if parts.username or parts.password:
            raise ValueError(
                "put user and password into LOOPIN_CLICKHOUSE_USER and LOOPIN_CLICKHOUSE_PASSWORD"
            )
        if parts.query or parts.fragment:
            raise ValueError("leave out what follows the path; the database is LOOPIN_CLICKHOUSE_DATABASE")
        return url

    @property
    def embedded(self) -> bool:
        """Whether the engine runs inside this process."""
        return not self.clickhouse_url

    @property
    def store_path(self) -> Path:
        """Folder of the embedded engine."""
        return self.data_dir / "store"
