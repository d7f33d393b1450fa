from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from loopin_deploy.child_log import MAX_LINE_BYTES, ChildLog


def test_lines_are_kept_in_the_file_and_the_last_twenty_in_memory(tmp_path: Path) -> None:
    log = ChildLog(tmp_path / "a.log")

    assert log.feed(b"one\ntw") == ["one"]
    assert log.feed(b"o\r\n") == ["two"]
    assert log.feed(b"rest\xff") == []
    assert log.end() == ["rest\ufffd"]
    assert log.end() == []

    assert (tmp_path / "a.log").read_bytes() == b"one\ntwo\r\nrest\xff\n"
    log.feed(b"".join(b"%d\n" % number for number in range(30)))
    assert log.last_lines == tuple(str(number) for number in range(10, 30))


@given(st.lists(st.binary(max_size=20)))
def test_lines_do_not_depend_on_how_the_output_was_cut(chunks: list[bytes]) -> None:
    whole = ChildLog(Path("/dev/null"))
    cut = ChildLog(Path("/dev/null"))

    expected = whole.feed(b"".join(chunks)) + whole.end()

    assert [line for chunk in chunks for line in cut.feed(chunk)] + cut.end() == expected


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    log = ChildLog(tmp_path / "a.log")

    [line] = log.feed(b"x" * (MAX_LINE_BYTES + 1))

    assert len(line) == MAX_LINE_BYTES + 1


def test_a_full_file_makes_room(tmp_path: Path) -> None:
    log = ChildLog(tmp_path / "a.log", max_file_bytes=10)

    for text in (b"first line\n", b"second line\n", b"end\n"):
        log.feed(text)

    assert (tmp_path / "a.log.1").read_bytes() == b"second line\n"
    assert (tmp_path / "a.log").read_bytes() == b"end\n"


def test_a_disk_that_cannot_be_written_loses_nothing_but_the_file(tmp_path: Path) -> None:
    log = ChildLog(tmp_path / "missing" / "a.log")

    assert log.feed(b"seen\n") == ["seen"]
    assert log.last_lines == ("seen",)
