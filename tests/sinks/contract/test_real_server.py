"""Whether this run has met a real ClickHouse server: one skipped test says it has not."""

from __future__ import annotations

import urllib.request

from loopin_sinks.store import StoreSettings


def test_the_contract_runs_on_a_real_server_too(real_settings: StoreSettings) -> None:
    login = {
        "X-ClickHouse-User": real_settings.clickhouse_user,
        "X-ClickHouse-Key": real_settings.clickhouse_password.get_secret_value(),
    }
    request = urllib.request.Request(f"{real_settings.clickhouse_url}/?query=SELECT+1", headers=login)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.read() == b"1\n"
        # The server of tests.clickhouse sends all but this.
        assert answer.headers["X-ClickHouse-Server-Display-Name"]
