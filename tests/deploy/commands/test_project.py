"""``loopin project`` against the API on a real port, whose configuration is on a real broker."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopin_api.app import create_app
from loopin_api.auth import hash_key
from loopin_api.server import serving
from loopin_api.settings import ApiSettings
from loopin_deploy.kafka import LocalKafka
from loopin_schemas.topics import CONFIG
from loopin_sinks.store import StoreSettings, open_store
from loopin_streams.kafka.config_log import ConfigLog, read_config
from loopin_streams.kafka.config_writer import config_writer
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin
from loopin_streams.projects.project import Project, Projects, Retention
from loopin_streams.projects.settings import ProjectDefaults
from tests.api.conftest import SECRET, Broker
from tests.deploy.command_line import Loopin
from tests.migrated import fill

ADMIN, READER, OTHER = "lk_admin", "lk_reader", "lk_other"


@pytest.fixture
def log(kafka: LocalKafka, topic_prefix: str) -> KafkaSettings:
    settings = KafkaSettings.model_validate(
        {"kafka_bootstrap": kafka.bootstrap, "topic_prefix": topic_prefix}
    )
    TopicAdmin(settings, [CONFIG]).apply()
    return settings


@pytest.fixture
def api(
    log: KafkaSettings, tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch, loopin: Loopin
) -> Iterator[str]:
    """Address of one with keys of two projects."""
    monkeypatch.setenv("LOOPIN_KEY", ADMIN)
    keys = tmp_path / "keys.json"
    given = [("shop", ADMIN, ["admin"]), ("shop", READER, ["read"]), ("demo", OTHER, ["read"])]
    keys.write_text(
        json.dumps([{"name": k, "project": p, "scopes": s, "sha256": hash_key(k)} for p, k, s in given])
    )
    settings = ApiSettings.model_validate({"jwt_secret": SECRET, "keys_file": keys})
    stored = StoreSettings(data_dir=tmp_path / "stored")
    fill(stored, migrated)
    begun, ended, ready = threading.Event(), asyncio.Event(), []
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        store, config = open_store(stored), ConfigLog(log)
        try:
            following = asyncio.create_task(config.run(ended))
            await config.until_known(ended)
            app = create_app(settings, store, Broker(), config=config, writer=config_writer(log))
            async with serving(app, "127.0.0.1", 0) as url:
                ready.append(url)
                begun.set()
                await ended.wait()
            await following
        finally:
            begun.set()
            await store.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    begun.wait()
    yield ready[0]
    loops[0].call_soon_threadsafe(ended.set)
    thread.join()


def followed(log: KafkaSettings) -> Projects:
    """What a worker that starts now makes of the topic."""
    configured = asyncio.run(read_config(log))
    return Projects(ProjectDefaults().project, lambda: configured)


def test_settings_are_shown_changed_and_made_as_set_again(
    loopin: Loopin, api: str, log: KafkaSettings, tmp_path: Path
) -> None:
    def shown(*arguments: str) -> str:
        ran = loopin("project", *arguments, "--url", api)
        assert ran.code == 0, ran
        return ran.out

    def line(text: str, begin: str) -> str:
        return next(each for each in text.splitlines() if begin in each)

    first = shown("show")
    assert "Project shop" in first
    assert "UTC" in line(first, "time zone")
    assert "as set" in line(first, "time zone")
    rates = tmp_path / "rates.json"
    rates.write_text('{"EUR": {"2026-01-01": 98.5}}')
    changed = shown(
        *("set", "--timezone", "Asia/Kolkata", "--rates", str(rates), "--raw-days", "365"),
        *("--internal-user", "asha", "--internal-user", "ravi", "--target", "event_rating=4.8"),
        *("--forecast", "sessions", "--forecast", "searches", "--holidays", "IN"),
    )
    assert "Asia/Kolkata" in line(changed, "time zone")
    assert "its own" in line(changed, "time zone")
    assert "EUR 98.5 from 2026-01-01" in line(changed, "rates")
    assert "asha, ravi" in line(changed, "internal users")
    assert "event_rating 4.8" in line(changed, "targets")
    assert "sessions, searches" in line(changed, "forecasts")
    assert "IN" in line(changed, "holidays")
    assert "365 days" in line(changed, "events and minutes kept")
    known = followed(log).of("shop")
    assert (str(known.zone), known.internal, known.retention) == (
        "Asia/Kolkata",
        frozenset({"asha", "ravi"}),
        Retention(365, 365, 1095),
    )
    assert [each.days for each in known.former_raw] == [90]
    assert followed(log).of("demo") == Project()
    again = shown("set", "--default", "timezone", "--default", "internal_users", "--currency", "INR")
    assert "as set" in line(again, "time zone")
    told = json.loads(shown("show", "--json"))
    assert told["timezone"] == "UTC"
    assert told["own"] == ["currency", "rates", "raw_retention_days", "targets", "forecasts", "holidays"]


def test_what_the_api_refuses_is_said_in_its_words(
    loopin: Loopin, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: str) -> str:
        return loopin("project", *arguments, "--url", api).refused()

    sentence = "timezone: Give a name of the tz database, such as UTC or Asia/Kolkata."
    assert refused("set", "--timezone", "Mars/Olympus") == sentence
    assert refused("set", "--default", "zone") == "zone: There is no such field; leave it out."
    monkeypatch.setenv("LOOPIN_KEY", READER)
    assert (
        refused("set", "--currency", "EUR") == "This needs the scope admin; use a token or key that has it."
    )


def test_what_is_given_wrong_is_said(loopin: Loopin, tmp_path: Path) -> None:
    nowhere = ("--url", "http://127.0.0.1:1")
    said = loopin("project", "set", *nowhere).refused()
    assert said == "Say what to set, e.g. --timezone Asia/Kolkata or --raw-days 365."
    rates = tmp_path / "rates.json"
    rates.write_text("[1]")
    said = loopin("project", "set", "--rates", str(rates), *nowhere).refused()
    assert said == 'Give --rates a file of JSON: {"EUR": {"2026-01-01": 98.5}}.'
