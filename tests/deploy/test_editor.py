"""The person's editor, played by scripts."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from loopin_deploy.editor import edited
from loopin_deploy.errors import DeployError

Editor = Callable[[str], str]


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Editor:
    """Makes a shell script, with the file as its last argument, the editor; returns its path."""
    monkeypatch.delenv("VISUAL", raising=False)

    def make(script: str) -> str:
        path = tmp_path / "my editor"
        path.write_text(f"#!/bin/sh\nfor file; do :; done\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("EDITOR", f"'{path}' --wait")
        return str(path)

    return make


def test_it_is_given_the_text_and_returns_what_is_there_then(editor: Editor, tmp_path: Path) -> None:
    look = f"cp \"$file\" '{tmp_path}/seen'; echo \"$@\" > '{tmp_path}/arguments'"
    editor(f"{look}; printf 'b\\303\\274' > \"$file\"")
    assert edited("grüße\n", "letter-1-7.json") == "bü"
    assert (tmp_path / "seen").read_text("utf-8") == "grüße\n"
    flag, path = (tmp_path / "arguments").read_text().split()
    assert (flag, Path(path).name) == ("--wait", "letter-1-7.json")
    assert not Path(path).parent.exists()


def test_nobody_else_can_read_it(editor: Editor, tmp_path: Path) -> None:
    editor(f'stat -c %a "$(dirname "$file")" > \'{tmp_path}/mode\'')
    edited("a", "a.json")
    mode = int((tmp_path / "mode").read_text(), 8)
    assert mode & (stat.S_IRWXG | stat.S_IRWXO) == 0


def test_visual_comes_first(editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    editor("exit 9")
    monkeypatch.setenv("VISUAL", "true")
    assert edited("a", "a.json") == "a"


def test_bytes_that_are_no_text_are_replaced(editor: Editor) -> None:
    editor("printf '\\377' > \"$file\"")
    assert edited("a", "a.json") == "\ufffd"


def refusal(code: str) -> str:
    with pytest.raises(DeployError) as refused:
        edited("a", "a.json")
    assert refused.value.code == code
    return refused.value.reason


def test_an_editor_that_fails_is_one_sentence(editor: Editor) -> None:
    path = editor("exit 3")
    assert refusal("editor_failed") == f"The editor '{path}' --wait ended with code 3: nothing was replayed."


@pytest.mark.parametrize("command", ["/nothing/there", "'never closed"])
def test_one_that_cannot_be_started_too(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("VISUAL", command)
    assert refusal("editor_failed").startswith(f"The editor {command} cannot be started (")


def test_and_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "")
    assert refusal("editor_missing").startswith("No editor is set: set EDITOR")
