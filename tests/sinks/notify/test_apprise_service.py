"""Services by apprise: its own ``json://`` against a plain HTTP server."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from loopin_sinks.notify.answer import Answer, Later, Taken
from loopin_sinks.notify.apprise_service import AppriseService, redacted
from loopin_sinks.notify.channels_file import Channel
from loopin_sinks.notify.errors import NotifyError
from loopin_sinks.notify.text import markdown, plain, subject
from tests.sinks.notify.told import Receiver, alert


async def delivered(url: str, form: str = "text", **changes: Any) -> Answer:
    service = AppriseService("chat", Channel.model_validate({"url": url, "format": form}))
    try:
        return await service.deliver(alert(**changes))
    finally:
        await service.close()


async def test_the_service_gets_subject_and_body(receiver: Receiver) -> None:
    assert await delivered(f"json://{receiver.address}/hook") == Taken()
    (request,) = receiver.requests
    sent = json.loads(request.body)
    assert request.path == "/hook"
    assert sent["title"] == subject(alert())
    assert sent["message"] == plain(alert())
    assert sent["type"] == "warning"


@pytest.mark.parametrize(
    ("changes", "type"),
    [({"severity": "critical"}, "failure"), ({"event": "resolved", "severity": "critical"}, "success")],
)
async def test_the_type_says_how_bad(receiver: Receiver, changes: dict[str, str], type: str) -> None:
    assert await delivered(f"json://{receiver.address}", **changes) == Taken()
    assert json.loads(receiver.requests[0].body)["type"] == type


async def test_markdown_where_it_is_wanted(receiver: Receiver) -> None:
    assert await delivered(f"json://{receiver.address}?format=markdown", "markdown") == Taken()
    assert json.loads(receiver.requests[0].body)["message"] == markdown(alert())


class Listening(logging.Handler):
    """Keeps what reaches the root, as a process's log would."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


@pytest.fixture
def log() -> Iterator[list[str]]:
    handler = Listening()
    logging.getLogger().addHandler(handler)
    yield handler.heard
    logging.getLogger().removeHandler(handler)


async def test_a_failure_is_told_without_the_address(receiver: Receiver, log: list[str]) -> None:
    receiver.answers["/tok3n"] = [(403, {})]
    answer = await delivered(f"json://user:hunter2@{receiver.address}/tok3n?+X-Key=verysecret")
    assert isinstance(answer, Later)
    assert "the service did not take it" in answer.reason
    assert "403" in answer.reason
    for hidden in ("hunter2", "tok3n", "verysecret"):
        assert hidden not in answer.reason
    assert log == [], "what the library itself says"


async def test_nobody_listens() -> None:
    answer = await delivered("json://127.0.0.1:1/tok3n")
    assert isinstance(answer, Later)
    assert "tok3n" not in answer.reason


def test_what_is_part_of_the_address_is_left_out() -> None:
    url = "tgram://123456:abc%2Fdef/chat-7/?format=html&key=s3cr3t"
    said = "Failed to send to https://api.example/bot123456:abc%2Fdef/ (abc/def, s3cr3t): chat-7 unknown.\n"
    assert redacted(said, url) == "Failed to send to https://api.example/bot***:***/ (***, ***): *** unknown"


def test_a_url_that_the_library_does_not_know_is_refused_without_being_shown() -> None:
    with pytest.raises(NotifyError) as error:
        AppriseService("chat", Channel.model_validate("nonsense://hunter2"))
    assert error.value.code == "channel_invalid"
    assert "chat" in str(error.value)
    assert "nonsense" in str(error.value)
    assert "hunter2" not in str(error.value)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(NotifyError, match=r"install loopin-analytics\[notify\]") as error:
        AppriseService("chat", Channel.model_validate("json://host"))
    assert error.value.code == "library_missing"
