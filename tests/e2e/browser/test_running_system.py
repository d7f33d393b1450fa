"""loopin.js, and PostHog's own posthog-js, against the running system: each event is stored once."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Request

from tests.e2e.browser.site import Site
from tests.e2e.receiving import WRITE_KEY, Receiving

Row = dict[str, Any]


def by_loopin(site: Site, system: Receiving) -> None:
    """Makes the site's page load the script from the system, whose site is another origin."""
    site.tag = f'<script src="{system.url}/static/loopin.js" data-key="{WRITE_KEY}" defer></script>'


def stored(system: Receiving, *distinct_ids: str, count: int) -> list[Row]:
    rows = system.rows(distinct_ids, count)
    assert len({row["uuid"] for row in rows}) == len(rows)
    return rows


def delivered(page: Page) -> None:
    """Returns once the server has acknowledged all that the page has."""
    page.evaluate("loopin.flush()")
    page.wait_for_function("!Object.keys(localStorage).some(name => name.startsWith('loopin_queue_'))")


def test_a_visit_is_stored_once(page: Page, site: Site, system: Receiving, user: str) -> None:
    by_loopin(site, system)
    attributes = 'data-loopin="join" data-loopin-event="event_join_requested" data-loopin-event-id="e1"'
    site.body = f"<button {attributes}>x</button>"
    page.goto(f"{site.url}/events/1?utm_source=mail&token=s3cret")
    page.click("button")
    page.evaluate("user => loopin.identify(user, {plan: 'pro'})", user)
    page.evaluate("loopin.capture('ticket_purchased', {amount: 12.5, currency: 'INR'})")
    anonymous, session = page.evaluate("[localStorage.loopin_id, localStorage.loopin_session.split(' ')[0]]")
    page.goto("about:blank")

    rows = stored(system, user, anonymous, count=7)

    events = ["$pageview", "page_loaded", "event_join_requested", "$identify", "ticket_purchased"]
    assert Counter(row["event"] for row in rows) == Counter([*events, "$pageleave", "$web_vitals"])
    by_event = {row["event"]: row for row in rows}
    assert {row["session_id"] for row in rows} == {session}
    assert by_event["$identify"]["properties"]["$anon_distinct_id"] == anonymous
    assert by_event["$pageview"]["properties"]["utm_source"] == "mail"
    assert by_event["ticket_purchased"]["properties"]["amount"] == 12.5
    assert "s3cret" not in json.dumps(rows)
    assert all(row["warnings"] == [] for row in rows)


def test_what_was_sent_twice_is_stored_once(
    context: BrowserContext, page: Page, site: Site, system: Receiving
) -> None:
    by_loopin(site, system)
    page.goto(site.url)
    delivered(page)
    context.set_offline(True)
    page.evaluate("[1, 2, 3].forEach(n => loopin.capture('n', {n}))")
    copies = page.evaluate("Object.entries({...localStorage}).filter(([name]) => name.includes('queue_'))")
    context.set_offline(False)
    delivered(page)
    page.evaluate("copies => copies.forEach(([name, text]) => localStorage.setItem(name, text))", copies)
    page.evaluate("loopin.capture('end')")
    delivered(page)
    anonymous = page.evaluate("localStorage.loopin_id")
    rows = stored(system, anonymous, count=6)
    assert Counter(row["event"] for row in rows) == {"$pageview": 1, "page_loaded": 1, "n": 3, "end": 1}
    assert sorted(row["properties"]["n"] for row in rows if row["event"] == "n") == [1, 2, 3]


def test_a_key_that_is_not_known_is_said(page: Page, site: Site, system: Receiving) -> None:
    site.tag = f'<script src="{system.url}/static/loopin.js" data-key="lk_wrong" defer></script>'
    with page.expect_console_message(
        lambda message: message.text.startswith("loopin: 401 This key is not known")
    ):
        page.goto(site.url)


def test_an_event_that_the_server_refuses_is_said(page: Page, site: Site, system: Receiving) -> None:
    by_loopin(site, system)
    page.goto(site.url)
    with page.expect_console_message(lambda message: '"event":"  "' in message.text) as said:
        page.evaluate("loopin.capture('  '), loopin.capture('after')")
        delivered(page)
    assert said.value.text.startswith("loopin: The event")
    anonymous = page.evaluate("localStorage.loopin_id")
    assert "after" in {row["event"] for row in stored(system, anonymous, count=3)}


def test_a_frame_without_an_origin_may_send(page: Page, site: Site, system: Receiving, user: str) -> None:
    by_loopin(site, system)
    site.headers = {"Content-Security-Policy": "sandbox allow-scripts"}
    page.goto(site.url)
    page.evaluate("user => (loopin.identify(user), loopin.flush())", user)
    page.goto("about:blank")
    rows = stored(system, user, count=1)
    assert "$identify" in {row["event"] for row in rows}


POSTHOG = """
posthog.init(%(key)r, {
    api_host: %(host)r, autocapture: true, capture_pageview: true, capture_pageleave: true,
    opt_out_useragent_filter: true,  // or a headless browser is a bot, of which it sends nothing
    disable_compression: %(plain)s, persistence: 'localStorage', loaded: () => { window.ready = true },
});
"""


def _identifies(request: Request) -> bool:
    body = request.post_data_buffer or b""
    return b'"$identify"' in (gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)


@pytest.mark.parametrize("plain", ["false", "true"])
def test_posthog_js_sends_here_unchanged(
    page: Page, site: Site, system: Receiving, user: str, node_modules: Path, plain: str
) -> None:
    library = node_modules / "posthog-js/dist/array.full.no-external.js"
    site.files["/posthog.js"] = library.read_bytes()
    start = POSTHOG % {"key": WRITE_KEY, "host": system.url, "plain": plain}
    site.files["/start.js"] = start.encode()
    site.tag = '<script src="/posthog.js"></script><script src="/start.js"></script>'
    site.body = "<button>Join us</button>"
    with page.expect_response(
        lambda response: "/array/" in response.url
    ):  # before it, clicks are not captured
        page.goto(f"{site.url}/ph")
    page.wait_for_function("window.ready")
    anonymous = page.evaluate("posthog.get_distinct_id()")
    page.click("button")
    page.evaluate("posthog.capture('ticket_purchased', {amount: 12.5, currency: 'INR'})")
    with page.expect_request(_identifies):  # on leaving, it would not wait for what it still compresses
        page.evaluate("user => posthog.identify(user, {plan: 'pro'})", user)
    page.evaluate("posthog.group('company', 'acme', {size: 3})")
    page.evaluate("posthog.capture('after')")
    page.goto("about:blank")

    rows = stored(system, user, anonymous, count=7)

    events = Counter(row["event"] for row in rows)
    expected = ["$pageview", "$autocapture", "ticket_purchased", "$identify", "$groupidentify", "after"]
    assert {event: events[event] for event in (*expected, "$pageleave")} == dict.fromkeys(
        (*expected, "$pageleave"), 1
    )
    by_event = {row["event"]: row for row in rows}
    assert by_event["$identify"]["properties"]["$anon_distinct_id"] == anonymous
    assert by_event["after"]["distinct_id"] == user
    assert by_event["after"]["properties"]["$groups"] == {"company": "acme"}
    assert by_event["ticket_purchased"]["properties"]["amount"] == 12.5
    assert by_event["$pageview"]["properties"]["$pathname"] == "/ph"
    assert len({row["session_id"] for row in rows}) == 1
