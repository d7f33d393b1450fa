"""Settings of the API process."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from loopin_sinks.opinions.settings import LanguageModelSettings
from loopin_streams.projects.settings import ProjectDefaults
from loopin_text.pii import Kind


class ConfigurationError(Exception):
    """The process cannot start as it is configured; the message is one sentence that says what to do."""


class ApiSettings(ProjectDefaults, LanguageModelSettings):
    """How the API listens, whom it trusts and how much it takes (environment: ``LOOPIN_...``).

    The names that the documents give to some settings work as well: ``ANALYTICS_ENABLED``,
    ``AI_SERVICES_ENABLED``, ``OPENAI_API_KEY``, ``POSTHOG_API_KEY``, ``POSTHOG_HOST``. Where both are set,
    ours counts.
    """

    model_config = SettingsConfigDict(env_prefix="LOOPIN_", extra="ignore", populate_by_name=True)

    api_host: str = Field("127.0.0.1", description="address to listen on")
    api_port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    jwt_secret: SecretStr | None = Field(None, description="shared secret of HS256 tokens, at least 32 bytes")
    keys_file: Path | None = Field(
        None, description='JSON list of {"name", "project", "scopes", "sha256"}, one for each key'
    )
    max_body_bytes: int = Field(
        128 * 1024, ge=1024, le=64 << 20, description="largest request body of one event or query, in bytes"
    )
    max_ingest_bytes: int = Field(
        20 << 20,
        ge=1024,
        le=256 << 20,
        description="largest body of a batch of events, compressed or not, in bytes",
    )
    ingest_memory_bytes: int = Field(
        256 << 20,
        ge=1 << 20,
        description="memory for the bodies that are being received at one time, in bytes; beyond it, 503",
    )
    rate_limit_events_per_minute: int = Field(
        600_000, ge=1, description="events that one key may send in a minute; beyond it, 429"
    )
    rate_limit_bytes_per_minute: int = Field(
        1 << 30,
        ge=1,
        description="bytes, after decompression, that one key may send in a minute, and one address in "
        "bodies without a valid key; refused bodies count too; beyond it, 429",
    )
    rate_limit_failures_per_minute: int = Field(
        300,
        ge=1,
        description="requests without a valid key that one address may send in a minute; beyond it, 429 "
        "for those, never for one with a valid key",
    )
    quota_events_per_day: int = Field(
        0,
        ge=0,
        description="events that one project may send in a UTC day, by this process's count; beyond it, 402; "
        "0 for as many as it likes",
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = Field(
        (),
        description='networks whose X-Forwarded-For is believed, e.g. ["10.0.0.0/8"]; name your load '
        "balancer's: else all who come through it are one address, and share its limits",
    )
    cors_origins: dict[str, tuple[str, ...]] = Field(
        {"*": ("*",)},
        description="origins whose pages may send events and listen to the live feed, by project; the "
        "project * stands for those not named, the origin * for any",
    )
    scrub: tuple[Kind, ...] = Field(
        ("email", "phone", "card", "token"),
        description="what is replaced in events' properties before the broker sees them; [] for nothing",
    )
    scrub_except: tuple[str, ...] = Field((), description="names of properties that are not scrubbed")
    publish_timeout_s: float = Field(
        3.0,
        gt=0,
        le=300,
        description="longest wait for the broker's acknowledgement, in seconds; it takes milliseconds: "
        "a longer one says that the broker is away",
    )
    ingest_spool_dir: Path | None = Field(
        None,
        description="folder where events are kept, and accepted, while the broker is away; without one "
        "they are refused with 503",
    )
    ingest_spool_bytes: int = Field(
        1 << 30, ge=1 << 20, description="bound on that folder, in bytes; beyond it, 503"
    )
    live_max_clients: int = Field(
        2000, ge=0, description="clients of the live feed that this process serves at once; beyond it, 503"
    )
    enabled: bool = Field(
        True,
        validation_alias=AliasChoices("LOOPIN_ENABLED", "ANALYTICS_ENABLED"),
        description="when false, tracking is refused with 503; queries still answer",
    )
    ai_enabled: bool = Field(
        True,
        validation_alias=AliasChoices("LOOPIN_AI_ENABLED", "AI_SERVICES_ENABLED"),
        description="when false, sentiment analysis is refused with 503",
    )
    posthog_api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("LOOPIN_POSTHOG_API_KEY", "POSTHOG_API_KEY"),
        description="project key of the PostHog service",
    )
    posthog_host: str | None = Field(
        None,
        validation_alias=AliasChoices("LOOPIN_POSTHOG_HOST", "POSTHOG_HOST"),
        description="address of the PostHog service",
    )
