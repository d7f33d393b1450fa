"""The webhook against a plain HTTP server."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from time import time

import pytest
from jsonschema import Draft202012Validator

from loopin_schemas.alert import Alert
from loopin_sinks.notify.answer import Answer, Later, Refused, Taken
from loopin_sinks.notify.channels_file import Channel
from loopin_sinks.notify.errors import NotifyError
from loopin_sinks.notify.webhook import Webhook
from tests.sinks.notify.told import SECRET, Receiver, alert

SCHEMA = json.loads((Path(__file__).parents[3] / "schemas" / "jsonschema" / "alerts.json").read_text())


def webhook(url: str, timeout_s: float = 30) -> Webhook:
    return Webhook("ops", Channel.model_validate({"url": f"webhook+{url}", "secret": SECRET}), timeout_s)


async def delivered(url: str, what: Alert | None = None, timeout_s: float = 30) -> Answer:
    one = webhook(url, timeout_s)
    try:
        return await one.deliver(what or alert())
    finally:
        await one.close()


async def test_the_record_is_posted_with_a_signature_over_time_and_body(receiver: Receiver) -> None:
    before = int(time())
    assert await delivered(f"http://{receiver.address}/hook?team=a") == Taken()

    (request,) = receiver.requests
    assert request.path == "/hook?team=a"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Loopin-Delivery"] == "shop:payment_failures:country=IN:1/1"
    said = dict(part.split("=") for part in request.headers["Loopin-Signature"].split(","))
    assert before <= int(said["t"]) <= time()
    signed = hmac.new(SECRET.encode(), said["t"].encode() + b"." + request.body, hashlib.sha256)
    assert said["v1"] == signed.hexdigest()
    body = json.loads(request.body)
    Draft202012Validator(SCHEMA).validate(body)
    assert body["value"] == 0.12


async def test_an_id_that_is_no_header_is_percent_encoded(receiver: Receiver) -> None:
    hostile = alert(id="shop:r:city=S\u00e3o/Paulo\r\nX-Evil: 1:5", sequence=7)
    assert await delivered(f"http://{receiver.address}/", hostile) == Taken()
    (request,) = receiver.requests
    assert request.headers["Loopin-Delivery"] == "shop:r:city=S%C3%A3o%2FPaulo%0D%0AX-Evil:%201:5/7"
    assert "X-Evil" not in request.headers


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_what_counts_as_taken(receiver: Receiver, status: int) -> None:
    receiver.answers["/"] = [(status, {})]
    assert await delivered(f"http://{receiver.address}/") == Taken()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_what_is_tried_again(receiver: Receiver, status: int) -> None:
    receiver.answers["/"] = [(status, {})]
    assert await delivered(f"http://{receiver.address}/") == Later(f"it answered {status}")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
async def test_what_is_final(receiver: Receiver, status: int) -> None:
    receiver.answers["/"] = [(status, {})]
    assert await delivered(f"http://{receiver.address}/") == Refused(f"it answered {status}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    receiver.answers["/"] = [(status, {"Location": f"http://{receiver.address}/elsewhere"})]
    answer = await delivered(f"http://{receiver.address}/")
    assert isinstance(answer, Refused)
    assert [request.path for request in receiver.requests] == ["/"]


async def test_how_long_to_wait_is_told_in_seconds_or_as_a_date(receiver: Receiver) -> None:
    tomorrow = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    soon = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    said = ["7", soon, tomorrow, "Mon, 01 Jan 2001 00:00:00 GMT", "-3", "soon", ""]
    receiver.answers["/"] = [(503, {"Retry-After": text}) for text in said]
    answers = [await delivered(f"http://{receiver.address}/") for _ in said]
    waits = [answer.after_s if isinstance(answer, Later) else -1 for answer in answers]
    assert waits[0] == 7
    assert waits[1] is not None
    assert 0 < waits[1] <= 600
    assert waits[2:] == [3600, 0, None, None, None]


async def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        answer = await delivered(f"http://user:hunter2@127.0.0.1:{port}/?token=hunter2")
    assert isinstance(answer, Later)
    assert "hunter2" not in answer.reason
    assert "no connection" in answer.reason


async def test_a_server_that_hangs_is_given_up(receiver: Receiver) -> None:
    receiver.held_path = "/"
    answer = await delivered(f"http://{receiver.address}/", timeout_s=0.2)
    assert answer == Later("it did not answer within 0.2 s")


async def test_a_server_that_speaks_something_else_is_no_success() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)

        async def talk() -> None:
            taken, _ = await asyncio.to_thread(server.accept)
            with taken:
                await asyncio.to_thread(taken.recv, 100)
                taken.sendall(b"220 mail.example.com ESMTP\r\n")

        talking = asyncio.create_task(talk())
        answer = await delivered(f"http://127.0.0.1:{server.getsockname()[1]}/")
        await talking
    assert isinstance(answer, Later)


@pytest.mark.parametrize("url", ["https://?", "https:///path", "http://host:99999/", "http://[::1/"])
def test_an_address_that_is_none_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(NotifyError) as error:
        webhook(f"{url}hunter2")
    assert error.value.code == "channel_invalid"
    assert "hunter2" not in str(error.value)
