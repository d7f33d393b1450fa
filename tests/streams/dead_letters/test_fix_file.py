"""Files that repair events: what they are given, and what is said when they are wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from loopin_streams.dead_letters.fix_file import load_fix
from loopin_streams.dead_letters.repair import FixFailed, Repair
from tests.streams.dead_letters.dead import body, letter

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(source: str) -> Path:
        path = tmp_path / "mend.py"
        path.write_text(dedent(source))
        return path

    return write


@pytest.fixture
def load(write: Write) -> Callable[[str], Repair]:
    return lambda source: load_fix(write(source))


def test_it_gets_the_event_and_the_letter(load: Callable[[str], Repair]) -> None:
    repair = load(
        """
        from dataclasses import dataclass

        @dataclass
        class Mend:
            suffix: str

        def fix(event, letter):
            event["distinct_id"] = event["distinct_id"] + Mend("!").suffix
            event["properties"] = {"was": letter.reason, "bytes": len(letter.body)}
            return event
        """
    )
    dead = letter(body(distinct_id="null"))
    event = repair(dead)
    assert event is not None
    assert event["distinct_id"] == "null!"
    assert event["properties"] == {"was": "not_json", "bytes": len(dead.body)}


@pytest.mark.parametrize("value", [b"", b"{", b"[1]", b"\xff", b"[" * 5000])
def test_a_body_that_is_no_object_is_an_empty_event(load: Callable[[str], Repair], value: bytes) -> None:
    repair = load("def fix(event, letter):\n    return {'held': dict(event), 'body': letter.body}\n")
    assert repair(letter(value)) == {"held": {}, "body": value}


def test_none_leaves_the_letter(load: Callable[[str], Repair]) -> None:
    assert load("def fix(event, letter): ...")(letter(body())) is None


def test_it_cannot_change_where_the_letter_came_from(load: Callable[[str], Repair]) -> None:
    dead = letter(body())
    load("def fix(event, letter):\n    letter.offset = 99\n    return event\n")(dead)
    assert dead.offset == 7


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("\ndef fix(event, letter):\n    return [\n", "mend.py, line 3: SyntaxError: '[' was never closed."),
        (
            "import math\nmath.nothing\n",
            "mend.py, line 2: AttributeError: module 'math' has no attribute 'nothing'.",
        ),
        ("raise ValueError('one\\n  two.')", "mend.py, line 1: ValueError: one two."),
        ("assert False", "mend.py, line 1: AssertionError."),
        ("fix = 1", "mend.py has no function fix: define fix(event, letter)."),
        ("", "mend.py has no function fix: define fix(event, letter)."),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(write: Write, source: str, sentence: str) -> None:
    path = write("")
    path.write_text(source)
    with pytest.raises(FixFailed) as failed:
        load_fix(path)
    assert str(failed.value) == sentence


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FixFailed, match=r"none\.py cannot be read \(No such file or directory\)"):
        load_fix(tmp_path / "none.py")
    with pytest.raises(FixFailed, match=r"cannot be read \(Is a directory\)"):
        load_fix(tmp_path)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("return event['nothing']", "mend.py, line 3: KeyError: 'nothing'."),
        ("return int('x')", "mend.py, line 3: ValueError: invalid literal for int() with base 10: 'x'."),
        (
            "import json; json.loads('')",
            "mend.py, line 3: JSONDecodeError: Expecting value: line 1 column 1 (char 0).",
        ),
        ("fix(event, letter)", "mend.py, line 3: RecursionError: maximum recursion depth exceeded."),
        (
            "return [event]",
            "mend.py: fix returned list; let it return the event, a dict, or None to leave it.",
        ),
    ],
)
def test_an_error_in_it_is_one_sentence_with_the_line(
    load: Callable[[str], Repair], line: str, sentence: str
) -> None:
    repair = load(f"\ndef fix(event, letter):\n    {line}\n")
    with pytest.raises(FixFailed) as failed:
        repair(letter(body()))
    assert str(failed.value) == sentence


def test_nothing_is_left_beside_the_file(load: Callable[[str], Repair], tmp_path: Path) -> None:
    load("def fix(event, letter): ...")
    assert [path.name for path in tmp_path.iterdir()] == ["mend.py"]
