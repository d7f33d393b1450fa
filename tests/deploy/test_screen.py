from __future__ import annotations

import io
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from loopin_deploy.demo import Result, Sample
from loopin_deploy.errors import DeployError
from loopin_deploy.own_secrets import load_or_create_secrets
from loopin_deploy.screen import fail, printable, verbatim
from loopin_deploy.stack import Stack
from loopin_deploy.stack_state import StackState
from loopin_deploy.supervisor import Supervisor
from loopin_deploy.system_screen import samples_table, show_addresses, summary_table


def shown(renderable: object, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(renderable)
    written = console.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


def cells(text: str) -> dict[str, list[str]]:
    """A table's cells by the first one of their line."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]
    return {row[0]: row[1:] for row in rows if row[0]}


@given(st.text())
def test_printable_text_cannot_steer_and_is_kept_where_it_is_harmless(text: str) -> None:
    escaped = printable(text)

    assert escaped.isprintable()
    escaped.encode()
    assert printable(escaped) == escaped
    if text.isprintable():
        assert escaped == text


def test_what_is_to_be_kept_is_kept() -> None:
    assert printable("a\nb\tc\x1b", keep="\n\t") == "a\nb\tc\\x1b"
    assert printable("a\nb\udcff") == "a\\nb\\udcff"


@given(st.text(alphabet="[]/redbold:link=#x@() \\", max_size=30))
def test_brackets_mean_nothing_but_themselves(text: str) -> None:
    assert verbatim(text).plain == text


def test_an_error_is_one_line_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    words = "[red]x[/nothing] :boom: " + "long " * 60 + "end."

    fail(ValueError(f"{words}\x1b[2J"))

    assert capsys.readouterr() == ("", f"Error: {words}\\x1b[2J\n")


def test_the_last_log_lines_follow_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    fail(DeployError("died", "kafka", "It died.", ["[bold]one[/x] " * 20, "two\x07"]))

    error, one, two = capsys.readouterr().err.splitlines()
    assert error == "Error: It died."
    assert one == "  " + "[bold]one[/x] " * 20
    assert two == "  two\\x07"


def test_the_summary_names_each_number() -> None:
    result = Result(31_606, 31_587, 31_587, 14, {"duplicate": 5, "sampled": 1}, 4321.6, 120.4, None)

    assert cells(shown(summary_table(result))) == {
        **{"published": ["31,606"], "enriched": ["31,587"], "stored": ["31,587"], "dead-lettered": ["14"]},
        **{"dropped: duplicate": ["5"], "dropped: sampled": ["1"], "events/s": ["4,322"]},
        **{"p50, send to queryable": ["120 ms"], "p99, send to queryable": ["-"]},
    }


def test_the_samples_show_names_as_they_were_sent() -> None:
    hostile = Sample("shop", 1, 1, 0, 0.0, [("[red]x[/y]\x1b", 1200)], {"positive": 2, "negative": 1})
    quiet = Sample("[b]demo", 31_106, 600, 17, 1234.5, [], {})

    text = shown(samples_table([hostile, quiet]))

    assert "[b]demo" in text
    found = cells(text)
    assert found["events"] == ["1", "31,106"]
    assert found["revenue"] == ["0.00", "1,234.50"]
    assert found["sentiment"] == ["negative 1", "-"]
    assert "positive 2" in text
    assert found["top events"] == ["[red]x[/y]\\x1b 1,200", ""]


def test_addresses_come_with_keys_that_can_be_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    secrets = load_or_create_secrets(tmp_path / "secrets.json", ["shop", "demo"])
    state = StackState(1, "127.0.0.1:9092", "http://127.0.0.1:8000", "http://127.0.0.1:8001")

    show_addresses(Stack(state, secrets, cast(Supervisor, None)), ["shop", "demo"])

    lines = capsys.readouterr().out.splitlines()
    assert f"API      {state.api_url}   (OpenAPI: {state.api_url}/docs)" in lines
    for project in ("shop", "demo"):
        assert f"  admin  {secrets.personal_key(project)}" in lines
        assert f"  ingest {secrets.write_key(project)}" in lines
    assert not any(line.startswith("  read") for line in lines)
    key = secrets.personal_key("shop")
    query = f"{state.api_url}/api/analytics/overview?days=7"
    assert lines[-1] == f"  curl -H 'Authorization: Bearer {key}' '{query}'"
