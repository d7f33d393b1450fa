"""Who acts: the anonymous id, sessions, and what the page says of the person."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.e2e.browser.site import Event, Site

BEGIN = datetime(2027, 1, 15, 8, tzinfo=UTC)
MINUTE = 60


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(BEGIN.timestamp() + seconds, UTC)


def cookie(context: BrowserContext, site: Site) -> str | None:
    found = {one["name"]: one["value"] for one in context.cookies(site.url)}
    return found.get("loopin_id")


def session_of(event: Event) -> str:
    return str(event["properties"]["$session_id"])


def capture_at(page: Page, seconds: float, name: str) -> None:
    page.clock.set_fixed_time(at(seconds))
    page.evaluate(f"loopin.capture('{name}'), loopin.flush()")


def test_the_anonymous_id_outlives_pages_and_is_a_cookie_for_the_server(
    context: BrowserContext, page: Page, site: Site
) -> None:
    page.goto(site.url)
    (first,) = site.wait_for(1, "$pageview")
    assert cookie(context, site) == first["distinct_id"]
    (details,) = context.cookies(site.url)
    assert (details["path"], details["sameSite"], details["httpOnly"]) == ("/", "Lax", False)
    page.reload()
    again = context.new_page()
    again.goto(site.url)
    assert {view["distinct_id"] for view in site.wait_for(3, "$pageview")} == {first["distinct_id"]}


@pytest.mark.parametrize("lost", ["localStorage.clear()", "document.cookie = 'loopin_id=;max-age=0;path=/'"])
def test_either_place_is_enough_to_keep_the_anonymous_id(page: Page, site: Site, lost: str) -> None:
    page.goto(site.url)
    (first,) = site.wait_for(1, "$pageview")
    page.evaluate(lost)
    page.goto("about:blank")
    page.goto(site.url)
    assert site.wait_for(2, "$pageview")[1]["distinct_id"] == first["distinct_id"]


def test_a_cookie_that_is_none_of_ours_is_not_an_identity(
    context: BrowserContext, page: Page, site: Site
) -> None:
    context.add_cookies([{"name": "loopin_id", "value": "<b>{x}", "url": site.url}])
    page.goto(site.url)
    (view,) = site.wait_for(1, "$pageview")
    assert re.fullmatch(r"[0-9a-f-]{36}", view["distinct_id"])


def test_a_cookie_can_span_subdomains(context: BrowserContext, page: Page, site: Site) -> None:
    site.attributes = 'data-cookie-domain="shop.test"'
    for host in ("www.shop.test", "tickets.shop.test"):
        page.goto(f"http://{host}:{site.port}/")
    first, second = site.wait_for(2, "$pageview")
    assert first["distinct_id"] == second["distinct_id"]


def test_half_an_hour_of_silence_ends_a_session(page: Page, site: Site) -> None:
    page.clock.set_fixed_time(BEGIN)
    page.goto(site.url)
    capture_at(page, 30 * MINUTE, "still the same")
    capture_at(page, 60 * MINUTE, "still the same")
    capture_at(page, 90 * MINUTE + 1, "another")
    (view,) = site.wait_for(1, "$pageview")
    (another,) = site.wait_for(1, "another")
    assert {session_of(event) for event in site.wait_for(2, "still the same")} == {session_of(view)}
    assert session_of(another) != session_of(view)
    assert another["distinct_id"] == view["distinct_id"]


def test_a_day_ends_a_session_that_never_rests(page: Page, site: Site) -> None:
    page.clock.set_fixed_time(BEGIN)
    page.goto(site.url)
    for half_hour in range(1, 49):
        page.clock.set_fixed_time(at(half_hour * 30 * MINUTE))
        page.evaluate("loopin.capture('kept alive')")
    capture_at(page, 24 * 60 * MINUTE + 1, "another")
    (view,) = site.wait_for(1, "$pageview")
    (another,) = site.wait_for(1, "another")
    assert {session_of(event) for event in site.wait_for(48, "kept alive")} == {session_of(view)}
    assert session_of(another) != session_of(view)


def test_a_session_id_begins_with_the_session_s_start(page: Page, site: Site) -> None:
    page.clock.set_fixed_time(BEGIN)
    page.goto(site.url)
    (view,) = site.wait_for(1, "$pageview")
    ms = int(session_of(view).replace("-", "")[:12], 16)
    assert ms == pytest.approx(BEGIN.timestamp() * 1000, abs=100)


def test_tabs_share_the_session(context: BrowserContext, page: Page, site: Site) -> None:
    page.goto(site.url)
    context.new_page().goto(site.url)
    assert len({session_of(view) for view in site.wait_for(2, "$pageview")}) == 1


def test_identify_links_the_anonymous_id_to_the_user(page: Page, site: Site) -> None:
    page.goto(site.url)
    (view,) = site.wait_for(1, "$pageview")
    page.evaluate("loopin.identify('user-1', {plan: 'pro'}, {first_seen: 'today'})")
    page.evaluate("loopin.capture('after'), loopin.flush()")
    (identified,) = site.wait_for(1, "$identify")
    (after,) = site.wait_for(1, "after")
    assert identified["distinct_id"] == after["distinct_id"] == "user-1"
    assert identified["properties"]["$anon_distinct_id"] == view["distinct_id"]
    assert identified["properties"]["$set"] == {"plan": "pro"}
    assert identified["properties"]["$set_once"] == {"first_seen": "today"}
    assert session_of(after) == session_of(view)


def test_the_user_is_known_on_the_next_page(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.evaluate("loopin.identify(42)")
    page.goto(f"{site.url}/next")
    assert site.wait_for(2, "$pageview")[1]["distinct_id"] == "42"
    page.evaluate("loopin.identify(42), loopin.identify(''), loopin.identify(), loopin.capture('end')")
    page.evaluate("loopin.flush()")
    site.wait_for(1, "end")
    assert len(site.named("$identify", "$set")) == 1


def test_to_identify_again_only_sets(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.evaluate("loopin.identify('user-1'), loopin.identify('user-1', {plan: 'pro'}), loopin.flush()")
    (properties,) = site.wait_for(1, "$set")
    assert properties["properties"]["$set"] == {"plan": "pro"}
    assert len(site.named("$identify")) == 1


def test_two_people_at_one_browser_are_never_linked(context: BrowserContext, page: Page, site: Site) -> None:
    page.goto(site.url)
    page.evaluate("loopin.identify('user-1'), loopin.identify('user-2'), loopin.flush()")
    first, second = site.wait_for(2, "$identify")
    assert second["distinct_id"] == "user-2"
    assert second["properties"]["$anon_distinct_id"] != first["properties"]["$anon_distinct_id"]
    assert session_of(second) != session_of(first)
    assert cookie(context, site) == second["properties"]["$anon_distinct_id"]


REFUSED = [
    "loopin.identify({id: 5})",
    "loopin.identify([5])",
    "loopin.identify(true)",
    "loopin.identify(0)",
    "loopin.identify('')",
    "loopin.identify()",
    "loopin.identify('ह'.repeat(201))",
    "loopin.alias({id: 5})",
    "loopin.group('company', {id: 5})",
    "loopin.group(undefined, 'c1')",
    "loopin.capture()",
    "loopin.capture('')",
    "loopin.capture(5)",
    "loopin.capture({event: 'n'})",
    "loopin.capture('x'.repeat(201))",
]


def test_what_is_no_id_or_name_is_refused_and_said(page: Page, site: Site) -> None:
    page.goto(site.url)
    (view,) = site.wait_for(1, "$pageview")
    for call in REFUSED:
        with page.expect_console_message(lambda message: bool(re.search("loopin: .*refused", message.text))):
            page.evaluate(call)
    page.evaluate("loopin.capture('after'), loopin.flush()")
    (after,) = site.wait_for(1, "after")
    assert after["distinct_id"] == view["distinct_id"]
    assert "$groups" not in after["properties"]
    assert {event["event"] for event in site.events} <= {"$pageview", "page_loaded", "after"}


def test_the_longest_ids_and_names_are_sent(page: Page, site: Site) -> None:
    longest = "🎷" * 200  # of two UTF-16 units each
    page.goto(site.url)
    page.evaluate("text => (loopin.identify(text), loopin.capture(text), loopin.flush())", longest)
    (event,) = site.wait_for(1, longest)
    assert event["distinct_id"] == longest


def test_reset_forgets_the_person(context: BrowserContext, page: Page, site: Site) -> None:
    page.goto(site.url)
    page.evaluate("loopin.identify('user-1'), loopin.group('company', 'c1')")
    page.evaluate("loopin.reset(), loopin.capture('after'), loopin.flush()")
    (view,) = site.wait_for(1, "$pageview")
    (after,) = site.wait_for(1, "after")
    assert after["distinct_id"] not in (view["distinct_id"], "user-1")
    assert session_of(after) != session_of(view)
    assert "$groups" not in after["properties"]
    assert cookie(context, site) == after["distinct_id"]
    site.wait_for(1, "$identify")


def test_alias_and_set_are_posthogs_events(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.evaluate("loopin.alias('other'), loopin.set({plan: 'pro'}, {since: 2026}), loopin.flush()")
    (alias,) = site.wait_for(1, "$create_alias")
    (people,) = site.wait_for(1, "$set")
    assert alias["properties"]["alias"] == "other"
    assert people["properties"]["$set"] == {"plan": "pro"}
    assert people["properties"]["$set_once"] == {"since": 2026}


def test_groups_go_with_every_event(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.evaluate("loopin.group('company', 'c1', {seats: 5}), loopin.group('team', 't1')")
    page.evaluate("loopin.group('team', 't1'), loopin.capture('after'), loopin.flush()")
    company, team = (event["properties"] for event in site.wait_for(2, "$groupidentify"))
    assert (company["$group_type"], company["$group_key"]) == ("company", "c1")
    assert company["$group_set"] == {"seats": 5}
    assert "$group_set" not in team
    (after,) = site.wait_for(1, "after")
    assert after["properties"]["$groups"] == {"company": "c1", "team": "t1"}
    assert len(site.named("$groupidentify")) == 2


def test_storage_that_others_spoiled_stops_nothing(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.evaluate("['groups', 'session', 'wait'].forEach(name => localStorage['loopin_' + name] = '{%')")
    page.evaluate("loopin.capture('after'), loopin.flush()")
    (after,) = site.wait_for(1, "after")
    assert re.fullmatch(r"[0-9a-f-]{36}", session_of(after))
