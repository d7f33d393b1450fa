"""What docs/clients.md shows in Python does what it says, run as it is written there."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import confluent_kafka
import httpx
import posthog as posthog_module
import pytest
import rudderstack.analytics
import segment.analytics

import loopin_producers
from loopin_producers import identify_context
from loopin_producers.connection import Connection
from loopin_producers.django.conf import faults
from loopin_producers.spool import SpooledRecord
from loopin_schemas.topics import event_key
from loopin_schemas.validation import decode_event, validate

PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")
HOST = "https://analytics.example.com"
USER = SimpleNamespace(id=17)
"""As a backend's: its id is a number."""

Sent = list[dict[str, Any]]
Checked = Callable[[dict[str, Any], Sent], None]


def blocks(language: str) -> list[tuple[str, str]]:
    """Section and code of each of the page's blocks in a language."""
    found: list[tuple[str, str]] = []
    for section in re.split(r"^##+ ", PAGE, flags=re.MULTILINE)[1:]:
        title = section.split("\n", 1)[0]
        found += [(title, code) for code in re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)]
    return found


def python(said: dict[str, Any], sent: Sent) -> None:
    assert [(one["project"], one["event"], one["distinct_id"]) for one in sent] == [
        ("shop", "ticket_purchased", "user-17"),
        ("shop", "$identify", "user-17"),
    ]
    assert sent[0]["properties"].items() >= {"amount": 25.0, "currency": "EUR"}.items()
    assert sent[1]["properties"]["$anon_distinct_id"] == "visitor-3"


def contexts(said: dict[str, Any], sent: Sent) -> None:
    (one,) = sent
    assert (one["event"], one["distinct_id"], one["properties"]["plan"]) == ("report_opened", "17", "gold")


def over_http(said: dict[str, Any], sent: Sent) -> None:
    said["loopin"].capture("click", USER.id)
    assert [one["distinct_id"] for one in sent] == ["17"]


def django_settings(said: dict[str, Any], sent: Sent) -> None:
    assert list(faults(said["LOOPIN"])) == []


def asgi(said: dict[str, Any], sent: Sent) -> None:
    app = said["app"]

    async def report(report_id: int) -> str:
        identify_context(USER.id)
        loopin_producers.capture("report_opened")
        return "ok"

    app.get("/reports/{report_id}")(report)

    async def ask() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as browser:
            return (await browser.get("/reports/5")).status_code

    assert asyncio.run(ask()) == 200
    assert [(one["event"], one["distinct_id"]) for one in sent] == [
        ("report_opened", "17"),
        ("api_request", "17"),
    ]
    assert sent[1]["properties"]["route"] == "/reports/{report_id}"


def decorator(said: dict[str, Any], sent: Sent) -> None:
    said["build_report"](USER, 7)
    (one,) = sent
    assert (one["event"], one["distinct_id"], one["properties"]["days"]) == ("report_built", "17", 7)


RUN: dict[str, list[Checked]] = {
    "Python": [python, contexts],
    "Over HTTP": [over_http],
    "Django": [django_settings],
    "ASGI": [asgi],
    "Decorator": [decorator],
}
"""By section, what each of its blocks has to do with the SDK."""

ELSEWHERE = {"Django": 1}
"""Blocks that want a Django project of their own: tests/e2e/django_project declares models so."""


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sent]:
    """The events that any client sends."""
    found: Sent = []

    def keep(_: Connection, record: SpooledRecord) -> None:
        validate(decode_event(record.value))
        found.append(json.loads(record.value))

    monkeypatch.setattr(Connection, "deliver", keep)
    yield found
    loopin_producers.shutdown(0)


@pytest.mark.parametrize(
    ("section", "number", "check"),
    [(section, number, check) for section, checks in RUN.items() for number, check in enumerate(checks)],
)
def test_a_block_of_the_sdks_runs_and_sends_what_it_says(
    sent: Sent, section: str, number: int, check: Checked
) -> None:
    said: dict[str, Any] = {"user": USER}
    code = [code for title, code in blocks("python") if title == section][number]
    exec(compile(code, f"docs/clients.md, {section}", "exec"), said)
    check(said, sent)


def test_types_are_used_as_the_page_says(sent: Sent) -> None:
    (line,) = re.findall(r"`(loopin\.capture\(Ticket.*?\))`, from `loopin_producers\.events`", PAGE)
    from loopin_producers.events import TicketPurchased

    client = loopin_producers.Loopin("broker:9092", project="shop")
    exec(line, {"loopin": client, "TicketPurchased": TicketPurchased})
    assert [one["event"] for one in sent] == ["ticket_purchased"]


def test_no_block_of_python_is_left_out() -> None:
    counted: dict[str, int] = {}
    for section, _ in blocks("python"):
        counted[section] = counted.get(section, 0) + 1
    tested = {section: len(checks) + ELSEWHERE.get(section, 0) for section, checks in RUN.items()}
    assert counted == {**tested, "PostHog's SDKs": 1, "Segment's and RudderStack's SDKs": 2, "Kafka": 1}


Requests = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def receiver() -> Iterator[tuple[str, Requests]]:
    """Address of a server that takes everything, and the path and body of what it was sent."""
    taken: Requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            plain = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
            taken.append((self.path, json.loads(plain)))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", taken
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("library", "path"),
    [("posthog", "/batch/"), ("segment.analytics", "/v1/batch"), ("rudderstack.analytics", "/v1/batch")],
)
def test_other_sdks_send_where_the_block_points_them(
    receiver: tuple[str, Requests], monkeypatch: pytest.MonkeyPatch, library: str, path: str
) -> None:
    url, taken = receiver
    for module in (posthog_module, segment.analytics, rudderstack.analytics):
        for name in ("write_key", "host", "dataPlaneUrl", "default_client"):
            if name in vars(module):
                monkeypatch.setattr(module, name, vars(module)[name])
    (code,) = (code for _, code in blocks("python") if f"{library} " in code)
    assert HOST in code
    said: dict[str, Any] = {}
    exec(code.replace(HOST, url), said)
    (said.get("posthog") or said["analytics"]).shutdown()
    ((at, body),) = taken
    (one,) = body["batch"]
    assert at == path
    assert (one.get("distinct_id") or one["userId"]) == "user-17"
    assert 25.0 in one["properties"].values()


def test_a_producer_of_ones_own_writes_what_the_topic_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, str, str]] = []

    class Producer:
        def __init__(self, config: dict[str, Any]) -> None:
            assert config["partitioner"] == "murmur2_random"

        def produce(self, topic: str, *, key: str, value: str) -> None:
            written.append((topic, key, value))

        def flush(self) -> None:
            pass

    monkeypatch.setattr(confluent_kafka, "Producer", Producer)
    (code,) = (code for title, code in blocks("python") if title == "Kafka")
    exec(code, {})
    ((topic, key, value),) = written
    event = decode_event(value.encode())
    validate(event)
    assert (topic, key.encode()) == ("loopin.events.raw", event_key(event.project, event.distinct_id))


def test_node_libraries_are_imported_and_pointed_here_as_the_page_says() -> None:
    """The same calls are made, with these very libraries, by tests/e2e/node/send.mjs."""
    code = "".join(code for _, code in blocks("js"))
    run = (Path(__file__).parents[1] / "e2e" / "node" / "send.mjs").read_text(encoding="utf-8")
    for library in ("posthog-node", "@segment/analytics-node", "@rudderstack/rudder-sdk-node"):
        assert f'from "{library}"' in code
        assert f"require('{library}')" in run
    for made in ("new PostHog(", "new Analytics({ writeKey: ", "{ dataPlaneUrl: "):
        assert made in code
        assert made in run
