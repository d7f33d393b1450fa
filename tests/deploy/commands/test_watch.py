"""``loopin watch`` where it shows one picture."""

from __future__ import annotations

import json
from pathlib import Path

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


def test_without_a_terminal_it_prints_the_numbers_of_now(loopin: Loopin, role: Role) -> None:
    overview = {"tz": "UTC", "active_users_today": 7, "total_revenue": 19.5}
    role.answers = {
        "/api/analytics/alerts?page_size=50": (200, json.dumps({"data": {"results": []}}).encode()),
        "/api/analytics/real-time": (200, json.dumps({"data": REAL_TIME}).encode()),
        "/api/analytics/overview?days=1": (200, json.dumps({"data": overview}).encode()),
    }
    ran = loopin("watch", "--url", f"{role.url}/", "--key", "lk_key")
    assert ran.code == 0, ran
    lines = ran.out.splitlines()
    assert lines[0].startswith(f"{role.url}  ")
    assert lines[3].split() == ["0.0", "0", "20", "-", "4", "-"]
    assert any(line.split() == ["$pageview", "12"] for line in lines)
    assert role.keys == ["Bearer lk_key"] * 3
