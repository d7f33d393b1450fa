"""How the sink computes metrics: as the API does, by the same settings."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.settings import SinkSettings

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


def test_the_scope_is_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPIN_PROJECT_TIMEZONE", "Asia/Kolkata")
    monkeypatch.setenv("LOOPIN_CURRENCY", "USD")
    monkeypatch.setenv("LOOPIN_EXCHANGE_RATES", '{"EUR": {"2026-02-01": 1.2, "2026-01-01": 1.1}}')
    monkeypatch.setenv("LOOPIN_INTERNAL_USERS", '["staff"]')
    assert SinkSettings().scope("shop", NOW) == Scope(
        project="shop",
        zone=ZoneInfo("Asia/Kolkata"),
        now=NOW,
        currency="USD",
        rates={"EUR": [(date(2026, 1, 1), 1.1), (date(2026, 2, 1), 1.2)]},
        internal=("staff",),
    )


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc"])
def test_a_zone_must_be_one(name: str) -> None:
    with pytest.raises(ValidationError, match="such as UTC or Asia/Kolkata"):
        SinkSettings.model_validate({"project_timezone": name})
