"""`loopin keys`: what it makes, shows and refuses; that an API obeys is tested with the API."""

from __future__ import annotations

import getpass
import json
import os
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from loopin_deploy.commands.key_options import expiry_ms, given_scopes, person
from loopin_deploy.errors import DeployError
from loopin_schemas.config import ApiKey
from loopin_schemas.key_format import KEY_PATTERN, KeyKind, hash_key, well_formed
from loopin_streams.kafka import config_writer
from loopin_streams.kafka.config_state import Configuration
from tests.deploy.command_line import Loopin

NOW_MS = 1_750_000_000_000


@pytest.fixture
def installed(loopin: Loopin, broker: str) -> str:
    """The broker's address, once the topics are there."""
    assert loopin("topics", "apply").code == 0
    return broker


@pytest.fixture
def topic(topic_prefix: str) -> str:
    return f"{topic_prefix}config"


def made(loopin: Loopin, *options: str) -> dict[str, Any]:
    ran = loopin("keys", "create", "--json", *options)
    assert ran.code == 0, ran
    assert ran.err == ""
    found: dict[str, Any] = json.loads(ran.out)
    return found


def listed(loopin: Loopin, *options: str) -> list[dict[str, Any]]:
    ran = loopin("keys", "list", "--json", *options)
    assert ran.code == 0, ran
    found: list[dict[str, Any]] = json.loads(ran.out)
    return found


def stored(bootstrap: str, topic: str) -> bytes:
    """Everything that is on the topic."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "unused", "fetch.wait.max.ms": 10}
    consumer = Consumer(settings | {"enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = b""
    while (message := consumer.poll(60)) is not None and message.error() is None:
        found += (message.key() or b"") + (message.value() or b"")
    consumer.close()
    return found


def test_a_key_is_made_shown_once_and_kept_as_a_hash(loopin: Loopin, installed: str, topic: str) -> None:
    ran = loopin("keys", "create", "--project", "shop", "--kind", "write", "--name", "web servers")

    token = ran.out.removesuffix("\n")
    assert ran.code == 0
    assert re.fullmatch(KEY_PATTERN, token)
    assert well_formed(token)
    assert token.startswith("lp_w_")
    (key,) = listed(loopin)
    assert ran.err == (
        f"Key {key['id']}: write key of project shop, ingest, without an end. It is not shown again: only "
        "its hash is kept.\n"
    )
    assert key == {
        "id": key["id"],
        "project": "shop",
        "kind": "write",
        "name": "web servers",
        "scopes": ["ingest"],
        "last4": token[-4:],
        "state": "valid",
        "created_at": key["created_at"],
        "created_by": getpass.getuser(),
        "expires_at": None,
        "revoked_at": None,
        "revoked_by": None,
    }
    assert datetime.now(UTC) - datetime.fromisoformat(key["created_at"]) < timedelta(minutes=10)
    kept = stored(installed, topic)
    assert hash_key(token).encode() in kept
    assert token[5:-7].encode() not in kept


def test_options_say_what_a_personal_key_may_and_for_how_long(loopin: Loopin, installed: str) -> None:
    plain = made(loopin, "--project", "shop", "--kind", "personal")
    more = made(
        loopin, "--project", "other", "--kind", "personal", "--scopes", "write, read", "--expires", "90d"
    )

    assert (plain["scopes"], plain["expires_at"]) == (["read"], None)
    assert plain["key"].startswith("lp_p_")
    assert more["scopes"] == ["read", "write"]
    created, ends = (datetime.fromisoformat(more[name]) for name in ("created_at", "expires_at"))
    assert ends - created == timedelta(days=90)
    assert [key["id"] for key in listed(loopin)] == [more["id"], plain["id"]]
    assert [key["id"] for key in listed(loopin, "--project", "shop")] == [plain["id"]]
    shown = loopin("keys", "list")
    assert f"valid until {more['expires_at'][:19].replace('T', ' ')}" in shown.out
    assert "are not listed" in shown.out


def test_a_revoked_key_stays_listed_as_such(loopin: Loopin, installed: str) -> None:
    first, second = (made(loopin, "--project", "shop", "--kind", "write") for _ in range(2))

    ran = loopin("keys", "revoke", first["id"])

    assert ran == (0, f"Key {first['id']} of project shop (…{first['last4']}) is revoked.\n", "")
    states = {key["id"]: key["state"] for key in listed(loopin)}
    assert states == {first["id"]: "revoked", second["id"]: "valid"}
    again = loopin("keys", "revoke", first["id"])
    assert again.code == 0
    assert "was revoked before, at " in again.out
    told = json.loads(loopin("keys", "revoke", first["id"], "--json").out)
    assert told["revoked_by"] == getpass.getuser()
    assert f"revoked {told['revoked_at'][:19].replace('T', ' ')} by" in loopin("keys", "list").out
    assert next(key for key in listed(loopin) if key["id"] == first["id"]) == told


def test_a_leaked_key_is_revoked_by_itself_and_not_shown(loopin: Loopin, installed: str) -> None:
    leaked = made(loopin, "--project", "shop", "--kind", "write")

    ran = loopin("keys", "revoke", leaked["key"])

    assert ran.code == 0
    assert leaked["key"] not in ran.out + ran.err
    assert listed(loopin)[0]["state"] == "revoked"
    for unknown in ("lp_w_nobodys", "nobody", "\udcff", ""):
        sentence = loopin("keys", "revoke", unknown).refused()
        assert sentence == "There is no such key: give an id that `loopin keys list` shows."


def test_a_key_that_somebody_else_changes_meanwhile_is_left(
    loopin: Loopin, installed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = made(loopin, "--project", "shop", "--kind", "write")
    put = config_writer.ConfigWriter.put

    async def put_late(self: Any, id: str, body: ApiKey, *, replaces: str | None, by: str) -> Any:
        between = await put(self, id, body, replaces=replaces, by="somebody else")
        assert between.version != replaces
        return await put(self, id, body, replaces=replaces, by=by)

    monkeypatch.setattr(config_writer.ConfigWriter, "put", put_late)

    sentence = loopin("keys", "revoke", key["id"]).refused()

    assert sentence.startswith(f"Key {key['id']}: It has been changed meanwhile: ")
    assert listed(loopin)[0]["revoked_by"] == "somebody else"


def test_a_record_that_cannot_be_read_is_named_and_can_be_removed(
    loopin: Loopin, installed: str, topic: str
) -> None:
    key = made(loopin, "--project", "shop", "--kind", "write")
    producer = Producer({"bootstrap.servers": installed})
    producer.produce(topic, b"not json", b"api_key:damaged[bold]\x1b")
    assert producer.flush(60) == 0

    ran = loopin("keys", "list", "--json")

    assert [each["id"] for each in json.loads(ran.out)] == [key["id"]]
    assert ran.err.startswith("The record api_key:damaged[bold]\\x1b (offset ")
    assert "cannot be read and counts for nothing: " in ran.err
    removed = loopin("keys", "revoke", "damaged[bold]\x1b")
    assert removed == (0, "Key damaged[bold]\\x1b could not be read, and is removed.\n", "")
    assert loopin("keys", "list", "--json").err == ""


def test_a_record_that_was_mended_meanwhile_is_left(
    loopin: Loopin, installed: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = Producer({"bootstrap.servers": installed})
    producer.produce(topic, b"not json", b"api_key:k")
    assert producer.flush(60) == 0
    version = Configuration.version
    monkeypatch.setattr(
        Configuration, "version", lambda self, kind, id: "another" if id == "k" else version(self, kind, id)
    )

    assert loopin("keys", "revoke", "k").refused().startswith("Key k: It has been changed meanwhile")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--project", "a b"], "The project must be"),
        (["--scopes", "read"], "A write key has the scope ingest only"),
        (["--scopes", "root"], "There is no scope 'root': give some of ingest, read, write, admin."),
        (["--expires", "soon"], "soon is no time: give --expires one such as"),
        (["--expires", "2020-01-01"], "2020-01-01 is not ahead"),
        (["--expires", "0d"], "0d is not ahead"),
        (["--name", "x" * 201], "Give --name 1 to 200 characters"),
        (["--name", "a\nb"], "Give --name 1 to 200 characters"),
        (["--name", ""], "Give --name 1 to 200 characters that can be shown, or leave it out."),
        (["--name", " "], "Give --name 1 to 200 characters"),
    ],
)
def test_what_is_given_wrong_is_told_before_anything_is_made(
    loopin: Loopin, options: list[str], sentence: str
) -> None:
    wanted = ["--project", "shop", "--kind", "write", *options]
    assert loopin("keys", "create", *wanted).refused().startswith(sentence)


def test_a_missing_topic_is_named(broker: str, topic: str, loopin: Loopin) -> None:
    for command in (["list"], ["revoke", "k"], ["create", "--project", "p", "--kind", "write"]):
        sentence = loopin("keys", *command).refused()
        assert sentence == f"The topic {topic} does not exist: run `loopin topics apply`."


def test_without_a_broker_it_says_how_to_start_one(nobody: str, loopin: Loopin) -> None:
    assert "loopin kafka start" in loopin("keys", "list").refused()


@pytest.mark.parametrize(
    ("kind", "text", "scopes"),
    [
        ("write", "", ("ingest",)),
        ("write", "ingest", ("ingest",)),
        ("personal", "", ("read",)),
        ("personal", "admin,read", ("read", "admin")),
        ("personal", " ingest , write,ingest", ("ingest", "write")),
    ],
)
def test_scopes_are_as_few_as_wanted(kind: KeyKind, text: str, scopes: tuple[str, ...]) -> None:
    assert given_scopes(kind, text) == scopes


@pytest.mark.parametrize("text", [",", "read,", "Read", "read write"])
def test_scopes_are_never_guessed(text: str) -> None:
    with pytest.raises(DeployError, match="There is no scope"):
        given_scopes("personal", text)


def test_a_key_ends_in_a_while_or_at_a_time() -> None:
    assert expiry_ms("", NOW_MS) is None
    assert expiry_ms("12h", NOW_MS) == NOW_MS + 43_200_000
    assert expiry_ms("90d", NOW_MS) == NOW_MS + 7_776_000_000
    assert expiry_ms("2026-01-02T03:04:05Z", NOW_MS) == 1_767_323_045_000
    for wrong in ("90", "-1d", "1w", "100000d", "１d"):
        with pytest.raises(DeployError, match="is no time|is not ahead"):
            expiry_ms(wrong, NOW_MS)


def test_who_runs_it_is_named_by_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "x\udcff" * 300)
    assert person() == "x?" * 100

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert person() == f"uid {os.getuid()}"
