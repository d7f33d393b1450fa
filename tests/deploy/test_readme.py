"""The README says what is there: its commands exist, and its output is output."""

from __future__ import annotations

import re
from pathlib import Path

from typer.main import get_command

from loopin_deploy.cli import app
from loopin_deploy.roles import ROLES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_every_command_it_names_exists() -> None:
    known = get_command(app).commands  # type: ignore[attr-defined]  # the group that typer builds
    named = set(re.findall(r"`(?:\$ )?loopin ([a-z]+)", README))
    assert {"up", "down", "doctor", "topics", "migrate", "dlq", "replay", "run"} <= named
    assert named <= set(known)


def test_it_names_every_command_of_the_groups_it_shows() -> None:
    rows = re.findall(r"^\| `loopin ([a-z]+) ([a-z-]+(?:\\\|[a-z-]+)+)`", README, re.MULTILINE)
    known = get_command(app).commands  # type: ignore[attr-defined]  # the group that typer builds
    shown = {group: set(commands.split("\\|")) for group, commands in rows if group != "run"}
    assert {"alerts", "tasks", "notify"} <= set(shown)
    assert shown == {group: set(known[group].commands) for group in shown}


def test_it_names_every_role() -> None:
    [roles] = re.findall(r"`loopin run ([a-z\\|]+)`", README)
    assert set(roles.replace("\\", "").split("|")) == set(ROLES)


def test_every_file_it_links_to_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert len(links) > 4
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_it_holds_output_and_no_placeholder() -> None:
    assert not re.search(r"\b[A-Z]+_OUTPUT\b", README)
    assert "31,106" in README
