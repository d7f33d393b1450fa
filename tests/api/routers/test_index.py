from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from tests.api.conftest import Bearer


async def test_every_link_leads_somewhere(client: httpx.AsyncClient, bearer: Bearer) -> None:
    links = (await client.get("/")).json()["data"]["links"]
    for link in links.values():
        assert (await client.get(link, headers=bearer("read"))).status_code == 200, link


async def test_a_browser_gets_a_page(client: httpx.AsyncClient) -> None:
    page = await client.get("/", headers={"Accept": "text/html,*/*"})
    assert page.headers["content-type"].startswith("text/html")
    links = (await client.get("/")).json()["data"]["links"]
    assert all(f'href="{escape(link)}"' in page.text for link in links.values())
