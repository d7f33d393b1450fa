"""Page views, also by history navigation, and how long pages were looked at."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from loopin_schemas.catalogue import check_properties_types
from tests.e2e.browser.site import KEY, Event, Site

BEGIN = datetime(2027, 1, 15, 8, tzinfo=UTC)
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def test_a_visit_is_a_page_view_in_posthogs_shape(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/events/42")
    (view,) = site.wait_for(1, "$pageview")
    assert set(view) == {"event", "distinct_id", "properties", "timestamp", "uuid"}
    assert UUID7.fullmatch(view["uuid"])
    assert UUID7.fullmatch(view["distinct_id"])
    assert UUID7.fullmatch(view["properties"]["$session_id"])
    assert abs(datetime.fromisoformat(view["timestamp"]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert view["properties"] | {"$session_id": "", "$lib_version": ""} == {
        "$current_url": f"{site.url}/events/42",
        "$pathname": "/events/42",
        "title": "A page",
        "$is_identified": False,
        "$raw_user_agent": page.evaluate("navigator.userAgent"),
        "$lib": "loopin.js",
        "$lib_version": "",
        "$session_id": "",
    }
    assert check_properties_types("$pageview", view["properties"]) == ()


def test_a_request_needs_no_preflight(page: Page, site: Site) -> None:
    page.goto(site.url)
    site.wait_for(1, "$pageview")
    (posted, *_) = site.posted
    assert posted.headers["content-type"].lower() == "text/plain;charset=utf-8"
    assert posted.batch["api_key"] == KEY
    assert abs(datetime.fromisoformat(posted.batch["sent_at"]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert "cookie" not in posted.headers


def test_of_the_query_only_campaigns_are_sent(page: Page, site: Site) -> None:
    page.goto(
        f"{site.url}/a?token=s3cret&utm_source=mail&utm_medium=news%20letter&gclid=1&email=a@b.c&=x#s3cret"
    )
    (view,) = site.wait_for(1, "$pageview")
    assert (
        view["properties"]["$current_url"] == f"{site.url}/a?utm_source=mail&utm_medium=news+letter&gclid=1"
    )
    assert view["properties"]["utm_source"] == "mail"
    assert view["properties"]["utm_medium"] == "news letter"
    assert view["properties"]["gclid"] == "1"
    assert not re.search("s3cret|a@b|a%40b|email", site.posted[0].body.decode())


def test_more_of_the_query_is_kept_where_asked_for(page: Page, site: Site) -> None:
    site.attributes = 'data-keep-query="q,page"'
    page.goto(f"{site.url}/a?q=jazz&page=2&p=1")
    (view,) = site.wait_for(1, "$pageview")
    assert view["properties"]["$current_url"] == f"{site.url}/a?q=jazz&page=2"
    assert "q" not in view["properties"]


def test_the_referrer_is_scrubbed_too(page: Page, site: Site) -> None:
    site.body = '<a id="next" href="/b">next</a>'
    page.goto(f"{site.url}/a?token=s3cret&utm_campaign=x")
    page.click("#next")
    first, second = site.wait_for(2, "$pageview")
    assert "$referrer" not in first["properties"]
    assert second["properties"]["$referrer"] == f"{site.url}/a?utm_campaign=x"
    assert second["properties"]["$session_id"] == first["properties"]["$session_id"]
    assert second["distinct_id"] == first["distinct_id"]


def test_navigation_within_a_page_is_a_view_where_the_path_changes(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/one")
    page.evaluate("history.pushState({}, '', '/two')")
    page.evaluate("history.pushState({}, '', '/two?tab=1')")
    page.evaluate("history.pushState({}, '', '#part')")
    page.evaluate("history.replaceState({}, '', '/three')")
    page.evaluate("history.replaceState({x: 1}, '')")
    page.go_back()
    page.evaluate("loopin.capture('end'), loopin.flush()")
    site.wait_for(1, "end")
    views = [view["properties"] for view in site.named("$pageview")]
    assert [view["$pathname"] for view in views] == ["/one", "/two", "/three", "/two"]
    assert [view.get("$referrer") for view in views] == [
        None,
        *(f"{site.url}{path}" for path in ("/one", "/two", "/three")),
    ]


def test_a_hash_routers_pages_are_views_where_the_page_has_one(page: Page, site: Site) -> None:
    site.attributes = "data-hash"
    site.body = '<a href="#/two">two</a>'
    page.goto(f"{site.url}/app?token=s3cret#/one?token=s3cret")
    page.click("a")
    page.evaluate("location.hash = '/two?token=s3cret'")
    page.evaluate("history.pushState({}, '', '#!/three')")
    page.go_back()
    page.evaluate("location.hash = 'access_token=s3cret'")
    page.evaluate("loopin.capture('end'), loopin.flush()")
    site.wait_for(1, "end")
    views = [view["properties"] for view in site.named("$pageview")]
    expected = ["/app#/one", "/app#/two", "/app#!/three", "/app#/two", "/app"]
    assert [view["$pathname"] for view in views] == expected
    assert [view["$current_url"] for view in views] == [site.url + path for path in expected]
    assert [view.get("$referrer") for view in views] == [None, *(site.url + path for path in expected[:-1])]
    assert not any(b"s3cret" in posted.body for posted in site.posted)


def test_a_hash_routers_path_ends_where_a_parameter_may_begin(page: Page, site: Site) -> None:
    site.attributes = "data-hash"
    page.goto(site.url)
    for fragment in (
        *("#/cb#access_token=s3cret", "#/access_token=s3cret&token_type=bearer", "#/reset;token=s3cret"),
        *("#!/a&id_token=s3cret", "#/b?token=s3cret#/c?token=s3cret", "#/", "#token=s3cret#/d"),
    ):
        page.evaluate("fragment => history.pushState({}, '', fragment)", fragment)
    page.evaluate("loopin.capture('end'), loopin.flush()")
    site.wait_for(1, "end")
    views = [view["properties"] for view in site.named("$pageview")]
    expected = ["/", *("/#" + path for path in ("/cb", "/access_token", "/reset", "!/a", "/b", "/")), "/"]
    assert [view["$pathname"] for view in views] == expected
    assert [view["$current_url"] for view in views] == [site.url + path for path in expected]
    assert not any(b"s3cret" in posted.body for posted in site.posted)


POSTHOG = b"""
window.theirs = [];
posthog.init('key', {
    api_host: location.origin, capture_pageview: 'history_change', autocapture: false, persistence: 'memory',
    advanced_disable_flags: true, disable_external_dependency_loading: true, opt_out_useragent_filter: true,
    before_send: event => { theirs.push(event) },  // and nothing is sent
});
"""


def test_views_and_who_is_identified_are_those_of_posthog_js(
    page: Page, site: Site, node_modules: Path
) -> None:
    site.files["/posthog.js"] = (node_modules / "posthog-js/dist/array.full.no-external.js").read_bytes()
    site.files["/start.js"] = POSTHOG
    site.head = '<script src="/posthog.js"></script><script src="/start.js"></script>'
    site.attributes = 'data-off="vitals,errors"'
    page.goto(f"{site.url}/one")
    page.wait_for_function("theirs.length == 1")
    for go in (
        "history.pushState({}, '', '/two')",
        "history.pushState({}, '', '/two?tab=1')",
        "location.hash = '/part'",
        "[posthog, loopin].forEach(each => each.identify('user-1'))",
        "history.replaceState({}, '', '/three')",
        "[posthog, loopin].forEach(each => { each.reset(); each.capture('after') })",
    ):
        page.evaluate(go)
    page.go_back()
    page.evaluate("void loopin.flush()")
    theirs = page.evaluate("theirs")
    names = {event["event"] for event in theirs} - {"$pageleave"}
    assert names == {"$pageview", "$identify", "after"}
    site.wait_for(sum(event["event"] in names for event in theirs), *names)

    def told(events: list[Event]) -> list[tuple[str, str, bool]]:
        return [
            (event["event"], event["properties"]["$pathname"], event["properties"]["$is_identified"])
            for event in events
            if event["event"] in names
        ]

    assert told(site.named(*names)) == told(theirs)


def test_history_still_does_what_it_did(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.evaluate("history.pushState({answer: 42}, '', '/two')")
    assert page.evaluate("[history.state.answer, location.pathname]") == [42, "/two"]
    assert "SecurityError" in page.evaluate(
        "(() => { try { history.pushState({}, '', 'https://x.test/') } catch (e) { return e.name } })()"
    )


def test_each_page_left_says_how_long_it_was_seen(page: Page, site: Site) -> None:
    page.clock.install(time=BEGIN)
    page.goto(f"{site.url}/one")
    page.clock.fast_forward(12_500)
    page.evaluate("history.pushState({}, '', '/two')")
    page.clock.fast_forward(2_000)
    page.goto(f"{site.url}/three")
    one, two = site.wait_for(2, "$pageleave")
    assert (one["properties"]["$pathname"], two["properties"]["$pathname"]) == ("/one", "/two")
    # The clock of the test runs on while commands are under way.
    assert one["properties"]["duration_s"] == pytest.approx(12.5, abs=2)
    assert two["properties"]["duration_s"] == pytest.approx(2, abs=2)
    assert check_properties_types("$pageleave", one["properties"]) == ()


def test_time_in_the_background_is_not_counted(page: Page, site: Site) -> None:
    page.clock.install(time=BEGIN)
    page.goto(f"{site.url}/one")
    turn = """hidden => {
        Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    page.clock.pause_at(BEGIN + timedelta(seconds=100))
    page.evaluate(turn, True)
    page.clock.fast_forward(3_600_000)
    page.evaluate(turn, False)
    page.clock.fast_forward(5_000)
    page.evaluate(turn, True)
    page.evaluate(turn, True)
    leaves = [event["properties"]["duration_s"] for event in site.wait_for(2, "$pageleave")]
    assert leaves == [pytest.approx(100, abs=2), 5]
    page.goto("about:blank")
    assert len(site.named("$pageleave")) == 2


def test_closing_the_tab_delivers_what_waits(context: BrowserContext, site: Site) -> None:
    page = context.new_page()
    page.goto(site.url)
    site.wait_for(1, "$pageview")
    page.evaluate("loopin.capture('last words')")
    page.close(run_before_unload=True)
    site.wait_for(1, "last words")
    site.wait_for(1, "$pageleave")


def test_page_views_can_be_left_to_the_page(page: Page, site: Site) -> None:
    site.attributes = 'data-off="pageviews,vitals"'
    page.goto(site.url)
    page.evaluate("history.pushState({}, '', '/two')")
    page.evaluate("loopin.capture('$pageview', {$pathname: '/mine'}), loopin.flush()")
    (view,) = site.wait_for(1, "$pageview")
    assert view["properties"]["$pathname"] == "/mine"
    page.goto("about:blank")
    assert [event["event"] for event in site.events] == ["$pageview"]
