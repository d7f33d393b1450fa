"""The example project under gunicorn, by HTTP to the running system, and what is stored in the end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import httpx
import pytest

from loopin_deploy.kafka import LocalKafka
from loopin_deploy.ports import free_port
from tests.e2e.prefork import PROJECT, Shop
from tests.e2e.receiving import WRITE_KEY, Receiving


@pytest.fixture
def shop(
    kafka: LocalKafka, topic_prefix: str, tmp_path: Path, system: Receiving, monkeypatch: pytest.MonkeyPatch
) -> Shop:
    monkeypatch.setenv("LOOPIN_URL", system.url)
    monkeypatch.setenv("LOOPIN_API_KEY", WRITE_KEY)
    return Shop(tmp_path, kafka.bootstrap, topic_prefix)


def test_what_happens_in_a_project_is_stored_once(shop: Shop, system: Receiving) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    gunicorn = ("-m", "gunicorn", f"{PROJECT}.wsgi:application", "--workers", "2", "--timeout", "180")
    amounts = [float(number) for number in range(1, 11)]
    with shop.server(*gunicorn, "--bind", f"127.0.0.1:{port}") as running:
        running.pids(url)
        with httpx.Client(base_url=url, timeout=60) as client:
            user = str(client.post("/sign-up/", data={"name": "buyer"}).json()["id"])
            for amount in amounts:
                assert client.post("/tickets/", data={"amount": str(amount)}).status_code == 201
            ticket = client.get("/tickets/3/?utm_source=letter", headers={"User-Agent": "curl/8"})
            assert ticket.status_code == 200
        assert running.end() == 0, running.log
    assert shop.events() == []

    names = Counter(ticket_purchased=10, api_request=12, user_signed_up=1, user_logged_in=1)
    names["$identify"] = 1
    rows = system.rows([user], names.total())

    assert Counter(row["event"] for row in rows) == names
    assert len({row["uuid"] for row in rows}) == len(rows)
    assert {row["source"] for row in rows} == {"middleware", "signal"}
    bought = [row["properties"] for row in rows if row["event"] == "ticket_purchased"]
    assert sorted(float(one["amount"]) for one in bought) == amounts
    seen = [row["properties"] for row in rows if row["properties"].get("method") == "GET"]
    assert [(one["route"], one["status"], one["utm_source"]) for one in seen] == [
        ("/tickets/<int:ticket_id>/", 200, "letter")
    ]
    assert "/tickets/3" not in str(rows)
