from __future__ import annotations

import pytest
from pydantic import ValidationError

from loopin_api.settings import ApiSettings

ALIASES = [
    ("enabled", "LOOPIN_ENABLED", "ANALYTICS_ENABLED", "false", False),
    ("ai_enabled", "LOOPIN_AI_ENABLED", "AI_SERVICES_ENABLED", "false", False),
    ("posthog_host", "LOOPIN_POSTHOG_HOST", "POSTHOG_HOST", "http://posthog", "http://posthog"),
]


@pytest.mark.parametrize(("field", "ours", "theirs", "text", "value"), ALIASES)
def test_the_documents_names_work(
    monkeypatch: pytest.MonkeyPatch, field: str, ours: str, theirs: str, text: str, value: object
) -> None:
    monkeypatch.delenv(ours, raising=False)
    monkeypatch.setenv(theirs, text)
    assert getattr(ApiSettings(), field) == value


def test_our_name_counts_before_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPIN_ENABLED", "true")
    monkeypatch.setenv("ANALYTICS_ENABLED", "false")
    assert ApiSettings().enabled


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOPIN_JWT_SECRET", "OPENAI_API_KEY", "POSTHOG_API_KEY"):
        monkeypatch.setenv(name, f"hidden-{name}-{'x' * 32}")
    settings = ApiSettings()
    assert settings.jwt_secret is not None
    assert "hidden" not in repr(settings)
    assert "hidden" not in settings.model_dump_json()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LOOPIN_PROJECT_TIMEZONE", "Mars/Olympus"),
        ("LOOPIN_CURRENCY", "rupees"),
        ("LOOPIN_API_PORT", "70000"),
    ],
)
def test_impossible_values_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(ValidationError):
        ApiSettings()


def test_every_setting_is_described() -> None:
    assert all(field.description for field in ApiSettings.model_fields.values())
