"""What the environment says of state, currency and alerts, and what the jobs make of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from loopin_streams.enrich.job import EnrichOptions
from loopin_streams.settings import StreamSettings


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> StreamSettings:
    for name, value in environment.items():
        monkeypatch.setenv(f"LOOPIN_{name}", value)
    return StreamSettings()


def test_profiles_are_kept_in_memory_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(monkeypatch).enrich_options(4).spill_folder is None
    spilling = settings(monkeypatch, STATE_STORE="disk", DATA_DIR="/somewhere", STATE_CACHE_MB="9")
    options = spilling.enrich_options(4)
    assert (options.spill_folder, options.cache_mb, options.partitions) == (Path("/somewhere/state"), 9, 4)


def test_the_enrichment_is_told_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch, TOPIC_PREFIX="p.", TEXT_PROPERTIES='["note"]', AI_ENABLED="false")
    assert found.enrich_options(2) == EnrichOptions("p.", 2, text_properties=("note",), sentiment=False)


def test_privacy_sessions_and_samples_are_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert settings(monkeypatch).enrich_options(2) == EnrichOptions("loopin.", 2)
    found = settings(
        monkeypatch,
        SCRUB='["card", "token"]',
        SCRUB_EXCEPT='["email"]',
        GEOIP_DB=str(tmp_path / "x.mmdb"),
        IP="truncate",
        TRACK_ANONYMOUS_USERS="false",
        SESSION_TIMEOUT="900",
        SAMPLING_RATE="0.25",
        ENABLE_REAL_TIME="false",
    )
    assert found.enrich_options(2) == EnrichOptions(
        "loopin.",
        2,
        scrub=frozenset({"card", "token"}),
        scrub_except=frozenset({"email"}),
        geoip_db=tmp_path / "x.mmdb",
        ip="truncate",
        track_anonymous_users=False,
        session_timeout_ms=900_000,
        sampling_rate=0.25,
        real_time=False,
    )


def test_limits_on_invalid_records(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(monkeypatch).invalid_ratio_limits().of("shop", "not_json") == 0.05
    found = settings(monkeypatch, INVALID_RATIO="0.2", INVALID_RATIOS='{"shop": 0.5, "shop/uuid_invalid": 1}')
    limits = found.invalid_ratio_limits()
    assert limits.of("demo", "uuid_invalid") == 0.2
    assert (limits.of("shop", "not_json"), limits.of("shop", "uuid_invalid")) == (0.5, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STATE_STORE", "redis"),
        ("STATE_CACHE_MB", "0"),
        ("CURRENCY", "rupees"),
        ("CURRENCY", "inr"),
        ("INVALID_RATIO", "5"),
        ("INVALID_RATIO", "-0.1"),
        ("INVALID_RATIOS", '{"shop": 2}'),
        ("INVALID_RATIOS", "0.2"),
        ("SCRUB", '["names"]'),
        ("SCRUB", "email"),
        ("IP", "hash"),
        ("SESSION_TIMEOUT", "0"),
        ("SESSION_TIMEOUT", "86401"),
        ("SAMPLING_RATE", "1.1"),
    ],
)
def test_what_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises((ValidationError, ValueError)):
        settings(monkeypatch, **{name: value})
