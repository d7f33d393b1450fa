"""The API under test: over a real, embedded store and a broker that does as it is told."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.auth import Scope, hash_key, issue_jwt
from loopin_api.settings import ApiSettings
from loopin_producers.channel import Done
from loopin_producers.errors import DeliveryFailed, QueueFull
from loopin_schemas import EnrichedEvent, Event
from loopin_schemas.codec import decode
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store, StoreSettings, open_store
from tests.migrated import fill

SECRET = "a secret of at least thirty-two bytes"
WRITE_KEY = "lk_write"
PERSONAL_KEY = "lk_personal"
NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
TOPIC_ID = "0b54b3f8-5bd5-4b07-9f0f-5d1d6c7a1f11"

Put = Callable[[Sequence[EnrichedEvent]], Any]
Bearer = Callable[..., dict[str, str]]
Enrich = Callable[..., EnrichedEvent]


class Broker:
    """Takes records as the SDK does, and settles them as ``answer`` says."""

    def __init__(self) -> None:
        self.answer = "acknowledge"
        self.broker_is_down = False
        self.records: list[tuple[bytes | None, bytes]] = []
        self.topics: list[str | None] = []

    @property
    def events(self) -> list[Event]:
        return [decode(value, Event) for _, value in self.records]

    def publish_record(
        self, key: bytes | None, value: bytes, done: Done, *, topic: str | None = None
    ) -> None:
        if self.answer == "full":
            raise QueueFull("The queue is full.")
        self.topics.append(topic)
        self.records.append((key, value))
        if self.answer == "acknowledge":
            done(None, 0, len(self.records))
        elif self.answer == "refuse":
            done(DeliveryFailed("Refused.", kafka_error="_MSG_TIMED_OUT"), 0, -1)
        self.broker_is_down = self.answer == "gone"


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ApiSettings:
    monkeypatch.setattr("loopin_api.health.PROBE_TIMEOUT_S", 30.0)
    for name in ("LOOPIN_ENABLED", "ANALYTICS_ENABLED", "LOOPIN_AI_ENABLED", "AI_SERVICES_ENABLED"):
        monkeypatch.delenv(name, raising=False)
    keys = [
        {"name": "web", "project": "shop", "scopes": ["ingest"], "sha256": hash_key(WRITE_KEY)},
        {"name": "desk", "project": "shop", "scopes": ["read", "write"], "sha256": hash_key(PERSONAL_KEY)},
    ]
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(keys))
    return ApiSettings.model_validate(
        {"jwt_secret": SECRET, "keys_file": path, "publish_timeout_s": 30, "project_timezone": "UTC"}
    )


@pytest.fixture
async def untouched_store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store for tests that never ask it anything: it has not even started."""
    store = open_store(StoreSettings(data_dir=tmp_path / "data"))
    yield store
    await store.close()


@pytest.fixture
async def store(tmp_path: Path, migrated: Path) -> AsyncIterator[Store]:
    """The embedded store, migrated and empty."""
    chosen = StoreSettings(data_dir=tmp_path / "data")
    fill(chosen, migrated)
    store = open_store(chosen)
    yield store
    await store.close()


@pytest.fixture
def put(store: Store) -> Put:
    """Stores events as the sink would; call it once a test."""

    async def insert(events: Sequence[EnrichedEvent]) -> None:
        rows = to_arrow(events, 0, range(len(events)), TOPIC_ID, lambda _: 3650, 0)
        for month, part in by_month(rows):
            await store.insert("events", part, token=f"{uuid.uuid4()}:{month}")

    return insert


@pytest.fixture
def enrich() -> Enrich:
    """An event as the pipeline leaves it: ``enrich("click", "user-1", at, {"x": 1}, session_id="s")``."""

    def make(
        event: str, user: str, at: datetime, properties: dict[str, Any] | None = None, **fields: Any
    ) -> EnrichedEvent:
        ms = round(at.timestamp() * 1000)
        given = {
            "project": "shop",
            "uuid": str(uuid.uuid4()),
            "received_at": ms,
            "raw_partition": 0,
            "raw_offset": 0,
        }
        raw = msgspec.Raw(json.dumps(properties or {}).encode())
        return EnrichedEvent(
            event=event, distinct_id=user, timestamp=ms, properties=raw, **{**given, **fields}
        )

    return make


@pytest.fixture
def bearer() -> Bearer:
    """Headers of a caller: ``bearer("read", project="shop", sub="user-1")``."""

    def headers(
        *scopes: Scope, project: str = "shop", sub: str = "user-1", ttl_s: float = 60
    ) -> dict[str, str]:
        token = issue_jwt(SECRET, sub=sub, project=project, scopes=scopes, ttl_s=ttl_s)
        return {"Authorization": f"Bearer {token}"}

    return headers


@pytest.fixture(scope="session")
def described() -> dict[str, Any]:
    """The OpenAPI description, which every application has: it takes a second to make."""
    nobody: Any = None
    return create_app(ApiSettings.model_validate({"jwt_secret": SECRET}), nobody, nobody).openapi()


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker) -> FastAPI:
    return create_app(settings, store, broker, clock=lambda: NOW)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


@pytest.fixture
def refused() -> Callable[[httpx.Response, int, str], dict[str, Any]]:
    """Checks that an answer is a refusal in the envelope, with this status and code; gives its body."""

    def check(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
        body: dict[str, Any] = response.json()
        assert (response.status_code, body["error_code"]) == (status, code), body
        assert list(body) == ["success", "error", "error_code", "details", "timestamp"]
        assert body["success"] is False
        assert body["error"].endswith(".")
        assert all(set(detail) == {"field", "reason"} for detail in body["details"])
        assert datetime.fromisoformat(body["timestamp"]).tzinfo == UTC
        return body

    return check
