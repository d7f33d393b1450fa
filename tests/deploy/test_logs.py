from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from loopin_deploy.logs import QUIET, configure_logs


class Terminal(io.StringIO):
    """Standard error, at a terminal or not."""

    def __init__(self, human: bool) -> None:
        super().__init__()
        self._human = human

    def isatty(self) -> bool:
        return self._human


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Puts back what is process-wide."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in QUIET}
    for handler in handlers:
        root.removeHandler(handler)
    yield
    structlog.reset_defaults()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def configured(monkeypatch: pytest.MonkeyPatch, *, human: bool, level: int = logging.INFO) -> Terminal:
    terminal = Terminal(human)
    monkeypatch.setattr(sys, "stderr", terminal)
    configure_logs(level)
    return terminal


def test_away_from_a_terminal_every_line_is_one_json_object(monkeypatch: pytest.MonkeyPatch) -> None:
    written = configured(monkeypatch, human=False)

    structlog.get_logger("ours").info("started", url="http://x", text="two\nlines \x1b[2J")
    logging.getLogger("theirs").warning("care %s", "now")

    ours, theirs = (json.loads(line) for line in written.getvalue().splitlines())
    assert ours.pop("timestamp").endswith("Z")
    assert ours == {
        **{"event": "started", "level": "info", "logger": "ours"},
        **{"url": "http://x", "text": "two\nlines \x1b[2J"},
    }
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("care now", "warning", "theirs")
    assert "\x1b" not in written.getvalue()


def test_at_a_terminal_lines_are_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    written = configured(monkeypatch, human=True)

    structlog.get_logger("ours").info("started", url="http://x")

    line = written.getvalue()
    assert "started" in line
    assert "http://x" in line
    assert not line.startswith("{")


@pytest.mark.parametrize("human", [True, False])
def test_a_traceback_does_not_tell_local_variables(human: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    written = configured(monkeypatch, human=human)

    def fail(authorization: str) -> None:
        raise ValueError("a defect")

    try:
        fail("Bearer " + "lp_p_" + "secret")
    except ValueError:
        structlog.get_logger("ours").exception("failed")

    assert "ValueError: a defect" in written.getvalue()
    assert "lp_p_secret" not in written.getvalue()


def test_chatty_libraries_speak_from_warnings_on(monkeypatch: pytest.MonkeyPatch) -> None:
    written = configured(monkeypatch, human=False)

    for name in QUIET:
        logging.getLogger(f"{name}.part").info("chatter")
        logging.getLogger(f"{name}.part").warning("care")
    structlog.get_logger("ours").debug("detail")

    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == ["care"] * len(QUIET)


def test_a_higher_level_holds_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    written = configured(monkeypatch, human=False, level=logging.ERROR)

    logging.getLogger(QUIET[0]).warning("care")
    structlog.get_logger("ours").warning("care")

    assert written.getvalue() == ""
