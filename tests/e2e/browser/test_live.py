"""The live feed in headless Chromium, by the scripts that docs/live.md gives, from another origin."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from loopin_api.auth import issue_jwt
from tests.e2e.browser.site import Site
from tests.e2e.receiving import PROJECT, SECRET, WRITE_KEY, Receiving
from tests.plain_http import ask

SCRIPTS = re.findall(
    r"```js\n(.*?)```",
    (Path(__file__).parents[3] / "docs" / "live.md").read_text(encoding="utf-8"),
    re.DOTALL,
)


@pytest.mark.parametrize("script", SCRIPTS, ids=["fetch", "WebSocket"])
def test_a_page_hears_what_happens(page: Page, site: Site, system: Receiving, user: str, script: str) -> None:
    token = issue_jwt(SECRET, sub="reader", project=PROJECT, scopes=["read"], ttl_s=600)
    page.goto(site.url)
    page.evaluate(
        f"([url, token]) => {{ {script}\n window.heard = [];"
        " listen(url, token, (kind, data) => window.heard.push([kind, data])); }",
        [system.url, token],
    )
    page.wait_for_function("heard.some(([kind]) => kind === 'online')")
    events = [
        {"event": "community_viewed", "distinct_id": user, "properties": {"community_id": user}},
        {"event": "ticket_purchased", "distinct_id": user, "properties": {"amount": 12.5, "currency": "INR"}},
    ]
    status, text = ask(f"{system.url}/api/analytics/events/batch", token=WRITE_KEY, body={"events": events})
    assert status == 200, text

    page.wait_for_function("heard.some(([, data]) => data.metric === 'revenue' && data.sum > 0)")
    page.wait_for_function(
        "user => heard.some(([kind, data]) => kind === 'online'"
        " && data.communities.some(one => one.community_id === user))",
        arg=user,
    )
    heard: list[tuple[str, dict[str, Any]]] = json.loads(page.evaluate("JSON.stringify(heard)"))
    assert {kind for kind, _ in heard} == {"metric", "online"}
    money = [data for kind, data in heard if data.get("metric") == "revenue"]
    assert {data["grain"] for data in money} == {"minute", "hour", "day"}
    assert all(data["sum"] % 12.5 == 0 for data in money)
