"""Pages as they are: strict policies, sandboxes, stubs, hostile scripts; and what the script is made of."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from loopin_api.routers.browser import INTEGRITY, SCRIPT
from tests.e2e.browser.site import KEY, Site

STATIC = Path(__file__).parents[3] / "api/loopin_api/static"
CLIENTS_MD = Path(__file__).parents[3] / "docs/clients.md"


def documented(language: str, containing: str) -> str:
    """The code block of the documentation that contains a text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", CLIENTS_MD.read_text(), re.DOTALL)
    (block,) = [block for block in blocks if containing in block]
    return str(block)


def test_the_script_is_what_its_source_builds(node_modules: Path) -> None:
    built = subprocess.run(
        [
            node_modules / ".bin/terser",
            STATIC / "loopin.src.js",
            "--config-file",
            node_modules.parent / "terser.json",
        ],
        capture_output=True,
        check=True,
    )
    assert built.stdout.rstrip() == SCRIPT.rstrip(), "run make generated"


def test_it_is_es2018(node_modules: Path) -> None:
    for name in ("loopin.js", "loopin.src.js"):
        parsed = subprocess.run(
            [node_modules / ".bin/acorn", "--ecma2018", "--silent", STATIC / name],
            capture_output=True,
            text=True,
            check=False,
        )
        assert parsed.returncode == 0, parsed.stderr


def test_it_runs_under_a_strict_policy_pinned_by_its_hash(page: Page, site: Site) -> None:
    site.attributes = f'integrity="{INTEGRITY}" crossorigin="anonymous"'
    site.headers = {
        "Content-Security-Policy": f"default-src 'none'; script-src {site.url}; connect-src {site.url}; "
        "require-trusted-types-for 'script'; sandbox allow-scripts allow-same-origin"
    }
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(site.url)
    page.goto(f"{site.url}/next")
    site.wait_for(2, "$pageview")
    site.wait_for(1, "$pageleave")
    assert [text for text in refused if "policy" in text.lower() and "favicon" not in text] == []


def test_a_script_that_was_changed_does_not_run(page: Page, site: Site) -> None:
    site.attributes = f'integrity="{INTEGRITY}" crossorigin="anonymous"'
    site.files["/static/loopin.js"] = SCRIPT + b"\n"
    digest = base64.b64encode(hashlib.sha384(SCRIPT + b"\n").digest()).decode()
    assert digest not in INTEGRITY
    page.goto(site.url)
    assert page.evaluate("typeof window.loopin") == "undefined"


@pytest.mark.parametrize("sandbox", ["allow-scripts", "allow-scripts allow-forms"])
def test_a_sandboxed_frame_without_storage_is_counted(page: Page, site: Site, sandbox: str) -> None:
    site.headers = {"Content-Security-Policy": f"sandbox {sandbox}"}
    page.goto(f"{site.url}/framed")
    assert (
        page.evaluate("(() => { try { return localStorage } catch (e) { return e.name } })()")
        == "SecurityError"
    )
    page.evaluate("loopin.identify('user-1'), loopin.group('company', 'c1'), loopin.capture('n')")
    page.evaluate("history.replaceState({}, '', '/framed')")
    page.goto("about:blank")
    (event,) = site.wait_for(1, "n")
    assert event["distinct_id"] == "user-1"
    assert event["properties"]["$groups"] == {"company": "c1"}
    (view,) = site.named("$pageview")
    assert view["properties"]["$session_id"] == event["properties"]["$session_id"]
    (posted, *_) = site.posted
    assert posted.headers["origin"] == "null"


def test_calls_made_before_it_loads_are_kept_in_order(page: Page, site: Site) -> None:
    site.head = (
        f"<script>{documented('html', '.q').partition('<script>')[2].partition('</script>')[0]}</script>"
    )
    site.head += "<script>loopin.identify('user-1'), loopin.capture('early', {n: 1})</script>"
    page.goto(site.url)
    page.evaluate("loopin.flush()")
    (early,) = site.wait_for(1, "early")
    assert (early["distinct_id"], early["properties"]["n"]) == ("user-1", 1)
    assert [event["event"] for event in site.events][:3] == ["$pageview", "$identify", "early"]


def by_hand(site: Site, script: str) -> str:
    return f"<script src='{site.url}/static/loopin.js'></script><script>{script}</script>"


def test_a_page_may_start_it_by_hand(page: Page, site: Site) -> None:
    site.attributes = 'data-nothing type="text/plain"'  # the tag of the site itself does not run
    site.head = by_hand(
        site,
        f"loopin.capture('early'); loopin.init({{key: '{KEY}', host: '{site.url}/', off: 'vitals'}});"
        f"loopin.init({{key: 'another'}});",
    )
    page.goto(site.url)
    page.evaluate("loopin.flush()")
    site.wait_for(1, "early")
    assert site.posted[0].batch["api_key"] == KEY
    assert [event["event"] for event in site.events] == ["$pageview", "early"]


def test_a_stub_may_hold_the_start_too(page: Page, site: Site) -> None:
    site.attributes = 'type="text/plain"'
    site.head = f"<script>window.loopin = {{q: [['capture', 'early'], ['init', {{key: '{KEY}'}}]]}}</script>"
    site.head += by_hand(site, "")
    page.goto(site.url)
    page.evaluate("loopin.flush()")
    site.wait_for(1, "early")


def test_without_a_key_it_says_so_and_does_nothing(page: Page, site: Site) -> None:
    site.attributes = 'type="text/plain"'
    site.head = by_hand(site, "")
    page.goto(site.url)
    with page.expect_console_message(lambda message: "key is missing" in message.text):
        page.evaluate("loopin.init({})")
    page.evaluate("loopin.capture('n'), loopin.flush()")
    assert page.evaluate("({...localStorage})") == {}


def test_loaded_twice_it_counts_once(page: Page, site: Site) -> None:
    site.head = f'<script src="{site.url}/static/loopin.js" data-key="{KEY}"></script>'
    page.goto(site.url)
    page.evaluate("loopin.capture('end'), loopin.flush()")
    site.wait_for(1, "end")
    assert len(site.named("$pageview")) == 1


def test_an_element_of_its_name_is_no_stub(page: Page, site: Site) -> None:
    site.body = '<div id="loopin"></div>'
    page.goto(site.url)
    site.wait_for(1, "$pageview")


def test_another_host_may_take_the_events(page: Page, site: Site) -> None:
    site.attributes = f'data-host="http://collect.test:{site.port}/"'
    page.goto(site.url)
    site.wait_for(1, "$pageview")
    assert site.posted[0].headers["host"] == f"collect.test:{site.port}"


def test_bots_are_not_dropped_here(page: Page, site: Site) -> None:
    page.goto(site.url)
    assert page.evaluate("navigator.webdriver") is True
    (view,) = site.wait_for(1, "$pageview")
    assert "HeadlessChrome" in view["properties"]["$raw_user_agent"]


NASTY: list[str] = [
    "loopin.capture('n', (() => { const a = {}; a.a = a; return a })())",
    "loopin.capture('n', {n: 10n})",
    "loopin.capture('n', {get n() { throw new Error('meant') }})",
    "loopin.capture('n', {toJSON() { throw new Error('meant') }})",
    "loopin.capture()",
    "loopin.capture(Symbol('n'))",
    "loopin.identify({toString() { throw new Error('meant') }})",
    "loopin.group(), loopin.set(), loopin.alias(), loopin.consent(), loopin.init(), loopin.consent(true)",
    "fetch = () => { throw new Error('meant') }, loopin.capture('n'), void loopin.flush()",
    "Storage.prototype.setItem = () => { throw new Error('meant') }, loopin.capture('n')",
    "JSON.stringify = () => { throw new Error('meant') }, loopin.capture('n')",
    "crypto.getRandomValues = () => { throw new Error('meant') }, loopin.capture('n')",
    "navigator.locks.request = () => { throw new Error('meant') }, loopin.capture('n'), void loopin.flush()",
]


@pytest.mark.parametrize("call", NASTY)
def test_nothing_is_thrown_into_the_page(page: Page, site: Site, call: str) -> None:
    page.goto(site.url)
    page.evaluate(f"() => {{ {call}; }}")
    page.evaluate("history.pushState({}, '', '/two')")
    page.evaluate("void loopin.flush()")
    page.goto("about:blank")  # the fixture holds that no error reached the page


MISSING: list[str] = [
    "delete window.PerformanceObserver",
    "delete PerformanceObserver.supportedEntryTypes",
    "Navigator.prototype.sendBeacon = undefined",
    "delete Navigator.prototype.locks",
    "Object.defineProperty(window, 'localStorage', {value: null})",
    "Object.freeze(history)",
]


@pytest.mark.parametrize("gone", MISSING)
def test_browsers_without_it_count_page_views_and_clicks(page: Page, site: Site, gone: str) -> None:
    site.body = "<button data-loopin=a>x</button>"
    page.add_init_script(gone)
    page.goto(site.url)
    page.click("button")
    page.goto("about:blank")
    site.wait_for(1, "$pageview")
    site.wait_for(1, "click")


def test_a_page_back_from_the_browsers_cache_is_another_view(context: BrowserContext, site: Site) -> None:
    page = context.new_page()
    page.goto(f"{site.url}/one")
    site.wait_for(1, "$pageview")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    page.evaluate(
        "dispatchEvent(new PageTransitionEvent('pageshow', {persisted: false})), void loopin.flush()"
    )
    page.evaluate("loopin.capture('end'), void loopin.flush()")
    site.wait_for(1, "end")
    assert len(site.named("$pageview")) == 2


def test_a_prerendered_page_is_counted_once_it_is_shown(page: Page, site: Site) -> None:
    page.add_init_script(
        "let prerendering = true; Object.defineProperty(document, 'prerendering', {get: () => prerendering});"
        "window.show = () => {"
        "prerendering = false; document.dispatchEvent(new Event('prerenderingchange')); }"
    )
    page.goto(site.url)
    stored: dict[str, Any] = page.evaluate("({...localStorage})")
    assert stored == {}
    page.evaluate("show()")
    site.wait_for(1, "$pageview")
