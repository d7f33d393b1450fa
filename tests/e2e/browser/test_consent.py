"""Nothing is sent or stored against a person's wish."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.e2e.browser.site import Answer, Site

DO_NOT_TRACK = (
    "Object.defineProperty(Navigator.prototype, 'doNotTrack', {get: () => '1', configurable: true})"
)
PRIVACY_CONTROL = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true})"
EVERYTHING = """() => {
    loopin.capture('a'), loopin.identify('b'), loopin.alias('c'), loopin.set({d: 1}), loopin.group('e', 'f');
    document.body.insertAdjacentHTML('beforeend', '<button data-loopin="g">g</button>');
    document.querySelector('button').click();
    history.pushState({}, '', '/h');
    dispatchEvent(new ErrorEvent('error', {message: 'i', error: new Error('i')}));
    loopin.reset();
    return loopin.flush();
}"""


def stored(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("({...localStorage, ...sessionStorage})")
    return found


def assert_untouched(context: BrowserContext, page: Page, site: Site) -> None:
    """That nothing is sent, not even on leaving, and nothing stored; a beacon would precede ``end``."""
    page.evaluate(EVERYTHING)
    assert stored(page) == {}
    assert context.cookies() == []
    page.goto(f"{site.url}/again")
    assert stored(page) == {}
    assert context.cookies() == []
    end = json.dumps({"batch": [{"event": "end", "uuid": "end"}]})
    page.evaluate("([url, body]) => fetch(url, {method: 'POST', body})", [f"{site.url}/batch/", end])
    site.wait_for(1, "end")
    assert [event["event"] for event in site.events] == ["end"]


@pytest.mark.parametrize("objection", [DO_NOT_TRACK, PRIVACY_CONTROL])
def test_a_browsers_objection_is_respected(
    context: BrowserContext, page: Page, site: Site, objection: str
) -> None:
    page.add_init_script(objection)
    page.goto(site.url)
    assert_untouched(context, page, site)


@pytest.mark.parametrize("objection", [DO_NOT_TRACK, PRIVACY_CONTROL])
def test_no_consent_overrides_a_browsers_objection(
    context: BrowserContext, page: Page, site: Site, objection: str
) -> None:
    page.add_init_script(objection)
    page.goto(site.url)
    page.evaluate("loopin.consent(true), loopin.optIn()")
    assert_untouched(context, page, site)


@pytest.mark.parametrize("objection", [DO_NOT_TRACK, PRIVACY_CONTROL])
def test_an_objection_that_comes_later_erases_what_was_stored(
    context: BrowserContext, page: Page, site: Site, objection: str
) -> None:
    page.goto(site.url)
    page.evaluate("loopin.identify('user-1'), loopin.group('company', 'c1'), loopin.capture('waits')")
    assert {"loopin_id", "loopin_user", "loopin_session", "loopin_groups"} <= set(stored(page))
    assert len(context.cookies()) == 1
    page.add_init_script(objection)
    page.goto(f"{site.url}/later")
    assert stored(page) == {}
    assert context.cookies() == []


def test_an_objection_leaves_what_the_person_decided(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.evaluate("loopin.optOut()")
    page.add_init_script(DO_NOT_TRACK)
    page.goto(f"{site.url}/later")
    assert stored(page) == {"loopin_consent": "no"}


def test_do_not_track_may_be_ignored(page: Page, site: Site) -> None:
    site.attributes = "data-ignore-dnt"
    page.add_init_script(DO_NOT_TRACK)
    page.goto(site.url)
    site.wait_for(1, "$pageview")


def test_global_privacy_control_may_not(context: BrowserContext, page: Page, site: Site) -> None:
    site.attributes = "data-ignore-dnt"
    page.add_init_script(PRIVACY_CONTROL)
    page.goto(site.url)
    assert_untouched(context, page, site)


def test_do_not_track_is_not_ignored_by_a_false(context: BrowserContext, page: Page, site: Site) -> None:
    site.attributes = 'data-ignore-dnt="false"'
    page.add_init_script(DO_NOT_TRACK)
    page.goto(site.url)
    assert_untouched(context, page, site)


def test_where_consent_is_required_nothing_happens_before_it(
    context: BrowserContext, page: Page, site: Site
) -> None:
    site.attributes = 'data-consent="required"'
    page.goto(site.url)
    assert_untouched(context, page, site)


def test_with_consent_the_page_counts_from_then_on(page: Page, site: Site) -> None:
    site.attributes = 'data-consent="required"'
    page.goto(f"{site.url}/a")
    page.evaluate("loopin.capture('before'), loopin.consent(true), loopin.consent(true)")
    page.evaluate("loopin.capture('after'), loopin.flush()")
    site.wait_for(1, "after")
    assert [event["event"] for event in site.named("before", "$pageview", "after")] == ["$pageview", "after"]
    page.goto(f"{site.url}/b")
    assert len(site.wait_for(2, "$pageview")) == 2


@pytest.mark.parametrize("attributes", ['data-consent="required"', ""])
@pytest.mark.parametrize("revoke", ["loopin.consent(false)", "loopin.optOut()"])
def test_revocation_erases_every_id(
    context: BrowserContext, page: Page, site: Site, attributes: str, revoke: str
) -> None:
    site.attributes = attributes
    page.goto(site.url)
    page.evaluate("loopin.consent(true), loopin.identify('user-1'), loopin.group('company', 'c1')")
    site.wait_for(1, "$pageview")
    page.evaluate(f"loopin.capture('never sent'), {revoke}, loopin.capture('nor this')")
    assert stored(page) == ({} if attributes else {"loopin_consent": "no"})
    assert context.cookies() == []
    page.goto(f"{site.url}/next")
    page.evaluate("loopin.optIn(), loopin.capture('end'), loopin.flush()")
    (end,) = site.wait_for(1, "end")
    first, second = site.named("$pageview")
    assert not site.named("never sent", "nor this")
    assert second["properties"]["$pathname"] == "/next"
    assert end["distinct_id"] == second["distinct_id"] != first["distinct_id"]


def test_revocation_in_one_tab_counts_in_all(context: BrowserContext, page: Page, site: Site) -> None:
    page.goto(site.url)
    other = context.new_page()
    other.goto(site.url)
    site.wait_for(2, "$pageview")
    other.evaluate("loopin.optOut()")
    page.wait_for_function("localStorage.loopin_consent == 'no'")
    page.evaluate("loopin.capture('never sent')")
    assert stored(page) == {"loopin_consent": "no"}


def test_an_answer_that_comes_after_revocation_stores_nothing(page: Page, site: Site) -> None:
    hold = threading.Event()
    site.answer = lambda: Answer(503, {"Retry-After": "1"}, hold)
    page.goto(site.url)
    site.wait_until(lambda: len(site.posted) == 1)
    page.evaluate("loopin.optOut()")
    with page.expect_response("**/batch/"):
        hold.set()
    assert stored(page) == {"loopin_consent": "no"}
