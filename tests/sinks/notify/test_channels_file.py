"""The file of channels: what it may hold, and that no message shows an address of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loopin_sinks.notify.channels_file import TOLD, Channels, read_channels
from loopin_sinks.notify.errors import NotifyError
from tests.sinks.notify.told import SECRET

HIDDEN = "hunter2hunter2"
HOOK = {"url": f"webhook+https://user:{HIDDEN}@ops.example.com/loopin", "secret": SECRET}


def written(folder: Path, content: Any, mode: int = 0o600) -> Path:
    path = folder / "notify.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


def refused(path: Path) -> NotifyError:
    with pytest.raises(NotifyError) as error:
        read_channels(path)
    text = str(error.value)
    assert HIDDEN not in text
    assert SECRET not in text
    assert text.endswith(".")
    assert "\n" not in text
    # Nothing that a traceback would show beside it.
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    return error.value


def test_a_url_alone_is_a_channel_and_without_routes_everybody_is_told_of_all(tmp_path: Path) -> None:
    found = read_channels(
        written(tmp_path, {"channels": {"ops": HOOK, "mail": f"mailtos://a:{HIDDEN}@example.com"}})
    )

    assert found.channels["ops"].webhook
    assert not found.channels["mail"].webhook
    assert found.channels["mail"].scheme == "mailtos"
    assert HIDDEN not in repr(found)
    assert [(route.channel, route.events, route.severities) for route in found.in_force] == [
        ("ops", TOLD, ("warning", "critical")),
        ("mail", TOLD, ("warning", "critical")),
    ]


def test_routes_that_are_given_are_all_there_are(tmp_path: Path) -> None:
    file = {"channels": {"ops": HOOK}, "routes": []}
    assert read_channels(written(tmp_path, file)).in_force == ()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    error = refused(written(tmp_path, {"channels": {"ops": HOOK}}, mode))
    assert error.code == "notify_file_readable_by_others"
    assert "chmod 600" in str(error)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    error = refused(tmp_path / "absent.json")
    assert error.code == "notify_file_unreadable"
    assert "LOOPIN_NOTIFY_FILE" in str(error)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (f'{{"channels": {{"ops": "{HIDDEN}', "the file"),
        ([HIDDEN], "the file"),
        ({"channels": {}}, "channels"),
        ({"channels": {"ops": {"url": HOOK["url"]}}}, "secret of at least 32"),
        ({"channels": {"ops": {"url": HOOK["url"], "secret": HIDDEN}}}, "secret of at least 32"),
        (
            {"channels": {"chat": {"url": f"json://{HIDDEN}", "secret": SECRET}}},
            "only a webhook has a secret",
        ),
        ({"channels": {"ops": HOOK | {"colour": HIDDEN}}}, "channels.ops.colour"),
        ({"channels": {"ops": HOOK}, "routes": [{"channel": "opps"}]}, "channel opps, which is not there"),
        ({"channels": {"ops": HOOK}, "routes": [{"channel": "ops", "severities": ["bad"]}]}, "severities"),
        ({"channels": {"o ps": HOOK}}, "o ps"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: Any, says: str) -> None:
    error = refused(written(tmp_path, content))
    assert error.code == "notify_file_invalid"
    assert says in str(error)


def test_a_secret_is_not_shown_by_a_channel() -> None:
    found = Channels.model_validate({"channels": {"ops": HOOK}})
    assert SECRET not in f"{found!r} {found}"
