from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from loopin_producers import default
from loopin_producers.django import client as django_client
from loopin_producers.django.management.commands.loopin_check import hidden
from loopin_producers.django.reach import Unreachable, reached
from tests.api.conftest import WRITE_KEY
from tests.api.served import served

from ..conftest import Broker, ReadAll

NOBODY = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def _new_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(django_client, "_configured", False)
    monkeypatch.setattr(default, "_client", None)
    yield
    default.shutdown(0)


def check(**options: Any) -> str:
    said = StringIO()
    call_command("loopin_check", stdout=said, **options)
    return said.getvalue()


def test_all_is_well(kafka: Broker, raw_topic: str, topic_prefix: str, read_all: ReadAll) -> None:
    own = {"PROJECT": "shop", "BOOTSTRAP_SERVERS": kafka.bootstrap, "TOPIC_PREFIX": topic_prefix}
    with override_settings(LOOPIN=own):
        said = check(send=True)
    assert f"The broker at {kafka.bootstrap} answers; topic {raw_topic} has 4 partitions." in said
    assert "tracked_models: ['tickets.Ticket']" in said
    (record,) = read_all(1)
    event = json.loads(record.value() or b"")
    assert (event["event"], event["source"]) == ("loopin_check", "manual")
    assert f"The event loopin_check {event['uuid']} was acknowledged." in said


def test_a_missing_topic(kafka: Broker, topic_prefix: str) -> None:
    own = {"PROJECT": "shop", "BOOTSTRAP_SERVERS": kafka.bootstrap, "TOPIC_PREFIX": topic_prefix}
    with override_settings(LOOPIN=own), pytest.raises(CommandError, match="loopin topics apply") as caught:
        check()
    assert caught.value.returncode == 1


def test_no_broker() -> None:
    own = {"PROJECT": "shop", "BOOTSTRAP_SERVERS": NOBODY}
    with override_settings(LOOPIN=own), pytest.raises(CommandError, match="No broker answers at") as caught:
        check(timeout=0.5)
    assert caught.value.returncode == 1


def test_an_event_that_is_not_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    from loopin_producers.django.management.commands import loopin_check

    monkeypatch.setattr(loopin_check, "reached", lambda *_: "yes")
    own = {"PROJECT": "shop", "BOOTSTRAP_SERVERS": NOBODY}
    with override_settings(LOOPIN=own), pytest.raises(CommandError, match="was not acknowledged"):
        check(send=True, timeout=0.2)


def test_an_event_that_is_refused_before_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from loopin_producers.django.management.commands import loopin_check

    monkeypatch.setattr(loopin_check, "reached", lambda *_: "yes")
    faulty = {"super_properties": {"release": float("nan")}}
    own = {"PROJECT": "shop", "BOOTSTRAP_SERVERS": NOBODY, "OPTIONS": faulty}
    with override_settings(LOOPIN=own), pytest.raises(CommandError) as caught:
        check(send=True, timeout=0.2)
    assert str(caught.value).startswith(
        "The event loopin_check was refused. Event dropped: Leave properties.rel"
    )


OVER_HTTP = {"PROJECT": "another", "OPTIONS": {"sample_rate": 0.0, "opt_out": lambda user: True}}


def test_over_http_the_key_decides_and_no_filter_keeps_the_event(tmp_path: Path) -> None:
    with (
        served(tmp_path, {}) as running,
        override_settings(LOOPIN={**OVER_HTTP, "URL": running.url, "API_KEY": WRITE_KEY}),
    ):
        said = check(send=True)
        (event,) = running.broker.events
    assert (event.event, event.project) == ("loopin_check", "shop")
    assert "Over HTTP the key decides which project events belong to, not 'another'." in said
    assert "sent without opt_out, sample_rate, which may leave events out" in said
    assert f"The event loopin_check {event.uuid} was acknowledged." in said


def test_a_wrong_key_is_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPIN_API_KEY", "lp_w_wrong")
    with served(tmp_path, {}) as running, override_settings(LOOPIN={"PROJECT": "shop"}):
        monkeypatch.setenv("LOOPIN_URL", running.url)
        began = monotonic()
        with pytest.raises(CommandError, match=r"was refused\. Give a valid api_key: the API answered 401"):
            check(send=True, timeout=60)
        assert monotonic() - began < 30, "it did not wait for the time to end"
        assert running.broker.events == []


def test_faulty_settings_end_it() -> None:
    with (
        override_settings(LOOPIN={"PROJECT": "shop", "IP": "hide"}),
        pytest.raises(CommandError, match="'IP'"),
    ):
        check()


def test_nothing_is_reached_while_publishing_is_off() -> None:
    own = {"PROJECT": "shop", "BOOTSTRAP_SERVERS": NOBODY, "OPTIONS": {"disabled": True}}
    with override_settings(LOOPIN=own):
        assert "switched off" in check()


def test_secrets_are_not_shown() -> None:
    config = {"sasl.username": "ann", "sasl.password": "hunter2", "ssl.key.password": "hunter3"}
    own = {"PROJECT": "shop", "OPTIONS": {"disabled": True, "config": config}}
    with override_settings(LOOPIN=own):
        said = check()
    assert "hunter" not in said
    assert "'sasl.username': 'ann'" in said
    assert hidden({"api_key": "abc", "url": "x", "token": ""}) == {
        "api_key": "********",
        "url": "x",
        "token": "",
    }


@contextmanager
def api(status: int) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_the_api_is_reached_where_a_url_is_set() -> None:
    with api(200) as url:
        assert reached({"url": url}, "unused", 5) == f"The API at {url} answers."
    with pytest.raises(Unreachable, match="does not answer"):
        reached({"url": url}, "unused", 5)
    with api(503) as url, pytest.raises(Unreachable, match="answered 503"):
        reached({"url": url}, "unused", 5)
