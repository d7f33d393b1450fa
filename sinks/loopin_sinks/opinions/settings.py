"""Settings of the language model that judges texts, where one is configured."""

from __future__ import annotations

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from loopin_text.opinion.endpoint import Endpoint, EndpointOptions


class LanguageModelError(Exception):
    """The language model cannot be asked as it is configured; the text says in one sentence what to do."""


class LanguageModelSettings(BaseSettings):
    """An endpoint that speaks OpenAI's chat completions (environment: ``LOOPIN_OPENAI_...``)."""

    model_config = SettingsConfigDict(env_prefix="LOOPIN_", extra="ignore", populate_by_name=True)

    openai_base_url: str | None = Field(
        None,
        description="address of a service that speaks OpenAI's chat completions, e.g. "
        "https://api.openai.com/v1; texts are sent to it, without personal data; unset, none are",
    )
    openai_api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("LOOPIN_OPENAI_API_KEY", "OPENAI_API_KEY"),
        description="its key, if it asks for one; sent to that address only",
    )
    openai_model: str | None = Field(
        None, description="the model that judges, by its name there; needed with the address"
    )
    openai_timeout_s: float = Field(
        10.0, gt=0, le=120, description="longest wait for its judgement, in seconds"
    )
    openai_calls_per_day: int = Field(
        1_000, ge=0, description="most calls of a UTC day, by each API and each sink; beyond it, no judgement"
    )
    openai_tokens_per_day: int = Field(
        500_000,
        ge=0,
        description="most tokens of a UTC day, by each API and each sink; beyond it, no judgement",
    )

    def language_model(self) -> Endpoint | None:
        """The endpoint; None where it is off.

        Raises:
            LanguageModelError: only half of it is configured.
        """
        if self.openai_base_url is None:
            return None
        if not self.openai_base_url.startswith(("http://", "https://")):
            raise LanguageModelError(
                "LOOPIN_OPENAI_BASE_URL begins with neither http:// nor https://; correct it."
            )
        if not self.openai_model:
            raise LanguageModelError(
                "LOOPIN_OPENAI_BASE_URL is set; say by LOOPIN_OPENAI_MODEL which model judges."
            )
        key = self.openai_api_key
        return Endpoint(
            EndpointOptions(
                base_url=self.openai_base_url,
                model=self.openai_model,
                api_key=key.get_secret_value() if key else None,
                timeout_s=self.openai_timeout_s,
                calls_per_day=self.openai_calls_per_day,
                tokens_per_day=self.openai_tokens_per_day,
            )
        )
