"""What is remembered of alerts: bounded by project, and read back whoever has written it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from loopin_schemas.alert import AlertWindow
from loopin_schemas.alert_rule import AlertRule, Threshold
from loopin_streams.alerts.book import About, Book
from loopin_streams.alerts.judgement import QUIET, Judgement, Verdict
from loopin_streams.alerts.lifecycle import Moment, Rule
from loopin_streams.alerts.room import Room
from loopin_streams.alerts.rules import Rules

NOW = 1_780_000_040_000
RULE = Rule(
    AlertRule(project="", name="mine", metric="x", by="user", quiet_s=0, condition=Threshold(warning=1)), "1"
)
BAD = Verdict("warning", 1.0, holds=True)


class Tried:
    """A book, and what was told."""

    def __init__(self, room: Room | None = None) -> None:
        self.state: dict[bytes, bytes] = {}
        self.book = Book(Rules()) if room is None else Book(Rules(), room)

    def judge(self, project: str, value: str, verdict: Verdict = BAD, at: int = NOW) -> list[str]:
        window = AlertWindow(grain="minute", start=at - 60_000, end=at)
        found = self.book.judge(RULE, project, value, Judgement(verdict, 2.0, 2, window), Moment(at, at))
        for key, change in self.book.changes():
            assert key is not None
            if change is None:
                del self.state[key]
            else:
                self.state[key] = change
        return [f"{alert.event} {alert.sequence}" for alert in found]

    def again(self) -> tuple[Book, list[Any]]:
        """One that begins with what was written, and what the log says of that."""
        self.book = Book(Rules())
        with capture_logs() as logs:
            self.book.restore(self.state, "watch.state")
        return self.book, logs


def test_a_noisy_project_takes_no_room_of_another() -> None:
    tried = Tried(Room(most=6, most_of_project=5, certain=2))
    with capture_logs() as logs:
        assert [tried.judge("noisy", str(n)) for n in range(8)] == [["fired 1"]] * 5 + [[]] * 3
        # Each of the others gets its place, and what is certain, beyond what all may have together.
        assert [tried.judge("quiet", str(n)) for n in range(4)] == [["fired 1"], ["fired 1"], [], []]
        assert tried.judge("third", "0") == ["fired 1"]
        assert tried.judge("noisy", "7") == []
    assert tried.book.left_out == 5
    assert [each["project"] for each in logs if each["event"] == "alerts_left_out"] == ["noisy", "quiet"]
    # What there was no room for fires once others have ended.
    assert tried.judge("noisy", "0", QUIET) == ["resolved 2"]
    tried.book.forget(About("noisy", "mine", "0"))
    assert tried.judge("noisy", "7") == []
    assert tried.judge("quiet", "0", QUIET) == ["resolved 2"]
    for about in (About("quiet", "mine", "0"), About("noisy", "mine", "1"), About("noisy", "mine", "2")):
        tried.book.forget(about)
    assert tried.judge("noisy", "7") == ["fired 1"]


def test_room_is_counted_anew_after_a_restart() -> None:
    tried = Tried()
    for number in range(3):
        tried.judge("noisy", str(number))
    book, logs = tried.again()
    assert (len(book), book.projects(), sorted(book.values("noisy", "mine"))) == (
        3,
        {"noisy"},
        ["0", "1", "2"],
    )
    assert logs == []


def changed(tried: Tried, **fields: Any) -> None:
    """The state as another release would have written it."""
    [key] = tried.state
    tried.state[key] = json.dumps(json.loads(tried.state[key]) | fields).encode()


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 0},
        {"version": 2, "colour": "red"},
        {"version": 2, "since_ms": "since noon"},
        {"told_ms": []},
    ],
    ids=["older", "newer", "other fields", "other types"],
)
def test_an_alert_of_another_release_goes_on_and_the_log_says_so(fields: dict[str, Any]) -> None:
    tried = Tried()
    assert tried.judge("shop", "mallory") == ["fired 1"]
    changed(tried, **fields)
    _, logs = tried.again()
    [said] = logs
    assert (said["event"], said["topic"]) == ("alert_of_another_release", "watch.state")
    assert said["alert"].startswith("shop:mine:user=mallory:")
    # It is neither told again, nor left open.
    assert tried.judge("shop", "mallory", at=NOW + 60_000) == []
    assert tried.judge("shop", "mallory", QUIET, at=NOW + 120_000) == ["resolved 2"]


@pytest.mark.parametrize("wrong", [b"\xff", b"{}", b'{"alert": {"id": 5}, "version": 2}', b'"an alert"'])
def test_what_nothing_can_be_made_of_begins_anew_and_the_log_says_so(wrong: bytes) -> None:
    tried = Tried()
    tried.state[b"a:shop:mine:mallory"] = wrong
    book, logs = tried.again()
    assert [each["event"] for each in logs] == ["alert_begins_anew"]
    assert len(book) == 0
    assert tried.judge("shop", "mallory") == ["fired 1"]


@pytest.mark.parametrize("wrong", [b"[2]", b"[0]", b"no json", b'{"version": 1}'])
def test_a_past_of_another_release_is_learned_anew_and_the_log_says_so(wrong: bytes) -> None:
    tried = Tried()
    tried.state[b"h:shop:mine:"] = wrong
    tried.state[b"h:shop:mine:x"] = wrong
    tried.state[b"h:shop:mine:y"] = b'[1, "shop", "mine", "y"]'
    book, logs = tried.again()
    assert [(each["event"], each["number"]) for each in logs] == [("histories_begin_anew", 2)]
    assert book.histories.values("shop", "mine") == {"y"}
