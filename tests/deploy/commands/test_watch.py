"""``loopin watch`` where it shows one picture."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from loopin_deploy.data_folder import open_data_folder
from loopin_deploy.own_secrets import load_or_create_secrets
from loopin_deploy.stack_state import STATE_FILE, StackState
from tests.deploy.command_line import Loopin
from tests.deploy.role_server import Role

REAL_TIME = {
    "minutes": [],
    "currency": "EUR",
    "top_events": [{"event": "$pageview", "count": 12}],
    "online_members": 4,
}


def test_where_nothing_runs_it_says_so(loopin: Loopin, tmp_path: Path) -> None:
    assert loopin("watch").refused() == (
        f"Nothing runs on the data folder {tmp_path / 'data'}: start it with `loopin up`, or name an API "
        "with --url."
    )


def test_a_url_must_be_one(loopin: Loopin) -> None:
    assert loopin("watch", "--url", "10.0.0.5:8000").refused().startswith("10.0.0.5:8000 is no address")


@pytest.fixture
def shown(role: Role) -> Role:
    """A role that answers as an API does."""
    overview = {"tz": "UTC", "active_users_today": 7, "total_revenue": 19.5}
    role.answers = {
        "/api/analytics/alerts?page_size=50": (200, json.dumps({"data": {"results": []}}).encode()),
        "/api/analytics/real-time": (200, json.dumps({"data": REAL_TIME}).encode()),
        "/api/analytics/overview?days=1": (200, json.dumps({"data": overview}).encode()),
    }
    return role


def test_without_a_terminal_it_prints_the_numbers_of_now(loopin: Loopin, shown: Role) -> None:
    ran = loopin("watch", "--url", f"{shown.url}/", "--key", "lk_key")
    assert ran.code == 0, ran
    lines = ran.out.splitlines()
    assert lines[0].startswith(f"{shown.url}  ")
    assert lines[3].split() == ["0.0", "0", "20", "-", "4", "-"]
    assert any(line.split() == ["$pageview", "12"] for line in lines)
    assert shown.keys == ["Bearer lk_key"] * 3


def test_the_project_of_the_environment_is_shown(
    loopin: Loopin, shown: Role, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_data_folder(tmp_path / "data") as folder:
        state = StackState(1, "127.0.0.1:1", shown.url, "http://127.0.0.1:1")
        (folder.path / STATE_FILE).write_bytes(msgspec.json.encode(state))
        own = load_or_create_secrets(folder.secrets, ("shop", "demo"))
        for given, project in (("", "shop"), ("demo", "demo")):
            monkeypatch.setenv("LOOPIN_PROJECT", given)
            shown.keys.clear()
            ran = loopin("watch", "--once")
            assert ran.code == 0, ran
            assert ran.out.startswith(f"{project}  ")
            assert shown.keys == [f"Bearer {own.personal_key(project)}"] * 3
