"""Keys of the file and of the configuration, as it changes while the API runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI
from msgspec.structs import replace

from loopin_api.app import create_app
from loopin_api.auth import Authenticator
from loopin_api.errors import ApiError
from loopin_api.keys import Key, Keyring
from loopin_api.settings import ApiSettings
from loopin_deploy.kafka import LocalKafka
from loopin_schemas.key_format import hash_key, new_key
from loopin_schemas.topics import CONFIG
from loopin_sinks.store import Store
from loopin_streams.kafka.config_log import ConfigLog
from loopin_streams.kafka.config_state import Configuration
from loopin_streams.kafka.config_writer import config_writer
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.streams.kafka.configured import Record, api_key, record, removal

if TYPE_CHECKING:
    from tests.api.conftest import Broker

TOKEN, OTHER = new_key("personal"), new_key("write")
NOW_S = 1_750_000_000.0
OF_FILE = Key(name="desk", project="shop", scopes=frozenset({"read"}), sha256=hash_key(TOKEN))


class Followed:
    """A configuration that is what a test makes of it."""

    def __init__(self, *records: Record) -> None:
        self.configuration = Configuration()
        self.not_sure: str | None = None
        self.not_ready: str | None = None
        self.hear(*records)

    def hear(self, *records: Record) -> None:
        for one in records:
            self.configuration.apply(one)

    def uncertain(self) -> str | None:
        return self.not_sure

    def unready(self) -> str | None:
        return self.not_ready

    def age_s(self) -> float | None:
        return 0.5


def of(token: str, id: str = "k1", **changed: Any) -> Record:
    return record(id, "v", sha256=hash_key(token), **changed)


def gate(config: Followed | None, *of_file: Key) -> Authenticator:
    return Authenticator(None, Keyring(of_file, config), lambda: NOW_S)


def refusal(asked: Authenticator, token: str) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        asked.authenticate_key(token)
    by_header = pytest.raises(ApiError, asked.authenticate, f"Bearer {token}").value
    assert (by_header.status, by_header.code) == (caught.value.status, caught.value.code)
    assert token not in str(caught.value)
    assert ("WWW-Authenticate" in caught.value.headers) == (caught.value.status == 401)
    return caught.value.status, caught.value.code


def test_a_configured_key_opens_its_project_with_its_scopes() -> None:
    config = Followed(of(TOKEN, scopes=["read", "write"]), of(OTHER, "k2", kind="write", scopes=["ingest"]))
    asked = gate(config)

    caller = asked.authenticate_key(TOKEN)
    assert (caller.project, caller.scopes, caller.user, caller.key_id) == (
        *("shop", frozenset({"read", "write"})),
        *(None, "k1"),
    )
    assert asked.authenticate(f"Bearer {OTHER}").scopes == {"ingest"}
    assert asked.authenticate_key(OTHER).key_id == "k2"


def test_changes_count_from_the_next_request_on() -> None:
    config = Followed()
    asked = gate(config)
    assert refusal(asked, TOKEN) == (401, "INVALID_TOKEN")
    config.hear(of(TOKEN))
    assert asked.authenticate_key(TOKEN).key_id == "k1"
    config.hear(of(TOKEN, revoked_at=1))
    assert refusal(asked, TOKEN) == (401, "KEY_REVOKED")
    config.hear(removal("k1"))
    assert refusal(asked, TOKEN) == (401, "INVALID_TOKEN")
    config.hear(of(TOKEN), Record(b"api_key:k1", b"not json"))
    assert refusal(asked, TOKEN) == (401, "INVALID_TOKEN")
    anew = Configuration()
    for number in range(config.configuration.changes):
        anew.apply(of(OTHER, f"k{number}"))
    config.configuration = anew
    assert asked.authenticate_key(OTHER).project == "shop"


def test_a_key_ends_when_it_says() -> None:
    def expiring(ms: int) -> Authenticator:
        return gate(Followed(of(TOKEN, expires_at=round(NOW_S * 1000) + ms)))

    assert expiring(1).authenticate_key(TOKEN).key_id == "k1"
    for ms in (0, -1):
        assert refusal(expiring(ms), TOKEN) == (401, "KEY_EXPIRED")


def test_what_is_configured_counts_before_the_file() -> None:
    assert gate(Followed(), OF_FILE).authenticate_key(TOKEN).key_id == hash_key(TOKEN)[:16]
    assert refusal(gate(Followed(of(TOKEN, revoked_at=1)), OF_FILE), TOKEN) == (401, "KEY_REVOKED")


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_with_one_hash_the_revoked_one_counts(order: int) -> None:
    both = [of(TOKEN, "k1", revoked_at=1), of(TOKEN, "k2")][::order]
    assert refusal(gate(Followed(*both)), TOKEN) == (401, "KEY_REVOKED")


def test_a_mistyped_key_is_told_as_such_and_any_text_may_be_a_key_of_the_file() -> None:
    config = Followed(of(TOKEN))
    for wrong in (TOKEN[:-1], TOKEN + "x", TOKEN[:20] + TOKEN[21:], "lp_w_", "lp_p_" + "x" * 43):
        assert refusal(gate(config), wrong) == (401, "KEY_MISTYPED")
    config.not_sure = "The broker is silent."
    assert refusal(gate(config), TOKEN[:-1]) == (401, "KEY_MISTYPED")
    old = OF_FILE.model_copy(update={"sha256": hash_key("lp_p_of an earlier release")})
    assert gate(config, old).authenticate_key("lp_p_of an earlier release").project == "shop"


def test_while_it_is_not_sure_it_refuses_nobody_for_good() -> None:
    config = Followed(of(TOKEN))
    config.not_sure = "The broker is silent."
    asked = gate(config, OF_FILE)

    assert asked.authenticate_key(TOKEN).key_id == "k1"
    assert refusal(asked, OTHER) == (503, "KEYS_NOT_KNOWN")
    caught = pytest.raises(ApiError, asked.authenticate_key, "any text").value
    assert caught.headers["Retry-After"]
    config.not_sure = None
    assert refusal(asked, OTHER) == (401, "INVALID_TOKEN")


def test_ten_thousand_keys_are_told_apart() -> None:
    tokens = [f"token {number}" for number in range(10_000)]
    asked = gate(Followed(*(of(token, token) for token in tokens)))

    assert all(asked.authenticate_key(token).key_id == token for token in tokens)


@pytest.fixture
def application(settings: ApiSettings, untouched_store: Store, broker: Broker) -> Callable[[Any], FastAPI]:
    return lambda config: create_app(settings, untouched_store, broker, config=config)


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        yield client


async def test_it_is_ready_once_the_configuration_has_been_read(
    settings: ApiSettings, store: Store, broker: Broker, refused: Callable[..., Any]
) -> None:
    config = Followed()
    config.not_ready = config.not_sure = "What is configured has not been read yet."
    async with client_of(create_app(settings, store, broker, config=config)) as client:
        assert refused(await client.get("/readyz"), 503, "NOT_READY")["error"] == config.not_ready
        assert (await client.get("/readyz?exclude=configuration")).status_code == 200
        config.not_ready = None
        # A broker that is away later does not keep the store from answering.
        assert (await client.get("/readyz")).status_code == 200


@pytest.mark.parametrize(
    ("not_sure", "records", "reason"),
    [
        (None, [of(TOKEN)], None),
        ("The broker is silent.", [], "The broker is silent."),
        (
            None,
            [of(TOKEN), Record(b"api_key:secret-name", b"?")],
            "1 of its records cannot be read: this process's log and `loopin keys list` name them.",
        ),
    ],
)
async def test_health_and_metrics_tell_of_the_configuration(
    application: Callable[[Any], FastAPI], not_sure: str | None, records: list[Record], reason: str | None
) -> None:
    config = Followed(*records, of(OTHER, "k2"))
    config.not_sure = not_sure
    async with client_of(application(config)) as client:
        health = (await client.get("/api/analytics/health")).json()["data"]["components"]["configuration"]
        metrics = (await client.get("/metrics", headers={"Authorization": f"Bearer {OTHER}"})).text

    assert (health["ok"], health["reason"]) == (reason is None, reason)
    broken = sum(one.value == b"?" for one in records)
    assert f"loopin_config_broken_records {broken}.0\n" in metrics
    assert f'loopin_config_items{{kind="api_key"}} {len(records) - broken + 1}.0\n' in metrics
    assert "loopin_config_age_seconds 0.5\n" in metrics


async def test_a_running_api_takes_keys_that_are_made_and_refuses_those_that_are_revoked(
    kafka: LocalKafka, topic_prefix: str, application: Callable[[Any], FastAPI], collected: None
) -> None:
    settings = KafkaSettings.model_validate(
        {"kafka_bootstrap": kafka.bootstrap, "topic_prefix": topic_prefix}
    )
    await asyncio.to_thread(TopicAdmin(settings, [CONFIG]).apply)
    writer, config, stop = config_writer(settings), ConfigLog(settings), asyncio.Event()
    running = asyncio.create_task(config.run(stop))
    async with client_of(application(config)) as client:

        async def answer(token: str) -> tuple[int, str]:
            response = await client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
            return response.status_code, "" if response.is_success else response.json()["error_code"]

        async def until(token: str, expected: tuple[int, str]) -> None:
            async with asyncio.timeout(300):
                while await answer(token) != expected:  # noqa: ASYNC110  (a response wakes nobody)
                    await asyncio.sleep(0.005)

        assert await answer(TOKEN) == (503, "KEYS_NOT_KNOWN")
        await until(TOKEN, (401, "INVALID_TOKEN"))
        key = api_key(sha256=hash_key(TOKEN), scopes=("read",))
        item = await writer.put("k1", key, replaces=None, by="root")
        await until(TOKEN, (200, ""))
        assert await answer(OTHER) == (401, "INVALID_TOKEN")
        revoked = replace(key, revoked_at=1)
        await writer.put("k1", revoked, replaces=item.version, by="root")
        await until(TOKEN, (401, "KEY_REVOKED"))
    stop.set()
    await running
