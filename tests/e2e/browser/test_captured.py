"""Clicks, errors and speed, captured without the page's help."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from loopin_schemas.catalogue import check_properties_types
from tests.e2e.browser.site import Site

BEGIN = datetime(2027, 1, 15, 8, tzinfo=UTC)
VITALS = ("LCP", "FCP", "CLS", "INP", "TTFB")


def flushed(page: Page) -> None:
    page.evaluate("loopin.capture('end'), loopin.flush()")


# --- clicks


def clicked(site: Site, page: Page, event: str = "click") -> dict[str, Any]:
    flushed(page)
    (click,) = site.wait_for(1, event)
    site.wait_for(1, "end")
    return {name: value for name, value in click["properties"].items() if not name.startswith("$")}


def test_a_click_names_its_element_and_carries_its_attributes(page: Page, site: Site) -> None:
    site.body = (
        '<button data-loopin="buy" data-loopin-event-id="42" data-loopin-plan="pro" data-other="x">'
        "<b>private text</b></button>"
    )
    page.goto(site.url)
    page.click("b")
    assert clicked(site, page) == {"element": "buy", "event_id": "42", "plan": "pro"}
    assert not any(b"private text" in posted.body for posted in site.posted)


def test_a_click_can_be_an_event_of_its_own(page: Page, site: Site) -> None:
    site.body = '<button data-loopin="buy" data-loopin-event="event_join_requested">x</button>'
    page.goto(site.url)
    page.click("button")
    assert clicked(site, page, "event_join_requested") == {"element": "buy"}
    assert not site.named("click")


def test_a_click_counts_where_the_page_stops_it_or_hides_it_in_a_shadow(page: Page, site: Site) -> None:
    site.body = "<div id=host></div><button onclick='event.stopPropagation()' data-loopin=a>x</button>"
    page.goto(site.url)
    page.evaluate(
        "document.querySelector('#host').attachShadow({mode: 'open'}).innerHTML = '<i data-loopin=b>y</i>'"
    )
    page.click("button")
    page.click("i")
    flushed(page)
    clicks = site.wait_for(2, "click")
    assert [click["properties"]["element"] for click in clicks] == ["a", "b"]


def test_other_clicks_are_nobodys_business(page: Page, site: Site) -> None:
    site.body = "<button>x</button>"
    page.goto(site.url)
    page.click("button")
    flushed(page)
    site.wait_for(1, "end")
    assert not site.named("click")


def test_a_click_on_a_link_out_is_delivered(page: Page, site: Site) -> None:
    site.body = '<a href="about:blank" data-loopin="out">x</a>'
    page.goto(site.url)
    page.click("a")
    (click,) = site.wait_for(1, "click")
    assert click["properties"]["element"] == "out"


# --- errors


def exceptions(site: Site, page: Page) -> list[dict[str, Any]]:
    flushed(page)
    site.wait_for(1, "end")
    found = [event["properties"] for event in site.named("$exception")]
    assert all(check_properties_types("$exception", properties) == () for properties in found)
    assert all(properties["$exception_level"] == "error" for properties in found)
    return [error for properties in found for error in properties["$exception_list"]]


def thrown(page: Page, script: str) -> None:
    """Throws as a page's own script does: into the window, not into the test."""
    page.evaluate(
        """script => new Promise(done => setTimeout(() => {
            setTimeout(() => setTimeout(done));  // after the timers that the script sets
            eval(script);
        }))""",
        script,
    )


def test_an_error_tells_its_type_message_and_place(page: Page, site: Site) -> None:
    site.files["/app.js"] = b"function broken() { throw new TypeError('meant to fail') }"
    site.body = '<script src="/app.js?token=s3cret"></script>'
    page.goto(site.url)
    thrown(page, "broken()")
    (error,) = exceptions(site, page)
    assert (error["type"], error["value"]) == ("TypeError", "meant to fail")
    assert f"{site.url}/app.js:1:" in error["stack"]
    assert error["mechanism"] == {"handled": False, "type": "onerror"}
    assert not any(b"s3cret" in posted.body for posted in site.posted)


@pytest.mark.parametrize(
    ("reason", "name", "value"),
    [
        ("new RangeError('meant')", "RangeError", "meant"),
        ("'meant'", "Error", "meant"),
        ("undefined", "Error", "undefined"),
        ("[['meant']]", "Error", "meant"),
        ("new DOMException('meant', 'AbortError')", "AbortError", "meant"),
    ],
)
def test_a_rejection_nobody_handles_is_an_error(
    page: Page, site: Site, reason: str, name: str, value: str
) -> None:
    page.goto(site.url)
    page.evaluate(
        f"dispatchEvent(new PromiseRejectionEvent('unhandledrejection',"
        f" {{promise: Promise.resolve(), reason: {reason}}}))"
    )
    (error,) = exceptions(site, page)
    assert (error["type"], error["value"]) == (name, value)
    assert error["mechanism"]["type"] == "onunhandledrejection"


def test_the_browser_tells_of_rejections(page: Page, site: Site) -> None:
    page.goto(site.url)
    with page.expect_event("pageerror"):
        thrown(page, "void Promise.reject(new RangeError('meant'))")
    (error,) = exceptions(site, page)
    assert (error["type"], error["value"]) == ("RangeError", "meant")


RAISE = "n => dispatchEvent(new ErrorEvent('error', {message: 'x', error: new Error('meant ' + n)}))"


def test_the_same_error_is_told_once_a_minute(page: Page, site: Site) -> None:
    page.goto(site.url)
    for seconds in (0, 30, 59, 61, 90):
        page.clock.set_fixed_time(BEGIN + timedelta(seconds=seconds))
        page.evaluate(RAISE, "again")
    assert [error["value"] for error in exceptions(site, page)] == ["meant again"] * 2


def test_a_storm_of_errors_is_cut(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.clock.set_fixed_time(BEGIN)
    for n in range(30):
        page.evaluate(RAISE, n)
    assert [error["value"] for error in exceptions(site, page)] == [f"meant {n}" for n in range(10)]


def test_what_an_error_says_is_bounded(page: Page, site: Site) -> None:
    page.goto(site.url)
    thrown(page, "const e = new Error('meant' + 'x'.repeat(1e6)); e.stack = 'y'.repeat(1e6); throw e")
    (error,) = exceptions(site, page)
    assert len(error["value"]) == 1000
    assert len(error["stack"]) == 8000


def test_errors_that_lie_do_no_harm(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.evaluate(
        """() => {
            const reason = {get message() { throw new Error('meant') }, get name() { return reason }};
            for (const bad of [reason, Object.create(null), Symbol('meant')])
                dispatchEvent(new PromiseRejectionEvent('unhandledrejection',
                    {promise: Promise.resolve(), reason: bad}));
            dispatchEvent(new Event('error'));
        }"""
    )
    exceptions(site, page)


def test_an_image_that_is_missing_is_no_exception(page: Page, site: Site) -> None:
    site.body = '<img src="/nothing.png">'
    page.goto(site.url)
    page.wait_for_load_state("load")
    assert exceptions(site, page) == []


# --- speed


@pytest.fixture
def library(node_modules: Path) -> bytes:
    """Google's own measurements."""
    return (node_modules / "web-vitals/dist/web-vitals.iife.js").read_bytes()


# A browser measures an interaction by the next frame, hence only where something is drawn.
SLOW = """ms => { document.querySelector('#slow').onclick = event => {
    const until = performance.now() + ms;
    while (performance.now() < until);
    event.target.textContent += '.';
} }"""
SLOW_PAGE = """
<style>#shifted { height: 0 }</style>
<div id="shifted"></div><h1>A heading, which is the largest paint at first</h1>
<p id="moves">Text that moves.</p>
<button id="slow">slow</button>
<script src="/web-vitals.js"></script>
<script src="/measure.js"></script>
"""
MEASURE = b"""
window.theirs = {};
for (const name of ['LCP', 'FCP', 'CLS', 'INP', 'TTFB'])
    webVitals['on' + name](metric => { theirs[name] = metric.value; }, {reportAllChanges: true});
"""


def frames(page: Page) -> None:
    """Returns once what was drawn and entered so far is measured."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 300)))")


def test_web_vitals_are_those_that_googles_library_measures(page: Page, site: Site, library: bytes) -> None:
    site.body = SLOW_PAGE
    site.files |= {"/web-vitals.js": library, "/measure.js": MEASURE}
    page.goto(site.url)
    frames(page)
    # Three shifts in one window, a pause, and another.
    for height, pause in ((100, 200), (150, 200), (180, 1500), (200, 200)):
        page.evaluate("height => { document.querySelector('#shifted').style.height = height + 'px' }", height)
        page.wait_for_timeout(pause)
    page.evaluate(SLOW, 120)
    page.click("#slow")
    page.wait_for_function("theirs.INP >= 100")
    frames(page)
    theirs = page.evaluate("theirs")
    page.goto("about:blank")
    (event,) = site.wait_for(1, "$web_vitals")
    ours = {name: event["properties"].get(f"$web_vitals_{name}_value") for name in VITALS}
    assert ours == {name: pytest.approx(theirs[name], abs=1e-6) for name in VITALS}
    assert 0 < ours["TTFB"] <= ours["FCP"] <= ours["LCP"] < 60_000
    assert 0 < ours["CLS"] < 5
    assert 100 <= ours["INP"] < 60_000
    assert check_properties_types("$web_vitals", event["properties"]) == ()


def test_one_slow_interaction_in_fifty_is_forgiven(page: Page, site: Site) -> None:
    site.body = "<button id=slow>slow</button>"
    page.add_init_script(
        """Object.defineProperty(performance, 'interactionCount', {value: 149});
        window.slowest = {};
        new PerformanceObserver(list => list.getEntries().forEach(entry => {
            if (entry.interactionId)
                slowest[entry.interactionId] = Math.max(slowest[entry.interactionId] || 0, entry.duration);
        })).observe({type: 'event', durationThreshold: 40, buffered: true});"""
    )
    page.goto(site.url)
    for ms in (150, 450, 300):
        page.evaluate(SLOW, ms)
        before = page.evaluate("Object.keys(slowest).length")
        page.click("#slow")
        page.wait_for_function("before => Object.keys(slowest).length > before", arg=before)
        frames(page)
    durations = sorted(page.evaluate("Object.values(slowest)"))
    page.goto("about:blank")
    (event,) = site.wait_for(1, "$web_vitals")
    assert len(durations) == 3
    assert event["properties"]["$web_vitals_INP_value"] == durations[0]


def test_a_quiet_page_has_no_shift_and_no_interaction(page: Page, site: Site) -> None:
    site.body = "<p>Still.</p>"
    page.goto(site.url)
    frames(page)
    page.goto("about:blank")
    (event,) = site.wait_for(1, "$web_vitals")
    assert event["properties"]["$web_vitals_CLS_value"] == 0
    assert "$web_vitals_INP_value" not in event["properties"]
    assert event["properties"]["$web_vitals_LCP_value"] > 0


def test_vitals_are_told_once_and_of_the_page_that_loaded(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/one")
    hide = """hidden => {
        Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    for hidden in (True, False, True):
        page.evaluate(hide, hidden)
    page.evaluate("history.pushState({}, '', '/two')")
    page.goto("about:blank")
    site.wait_for(2, "$pageview")
    (event,) = site.named("$web_vitals")
    assert event["properties"]["$pathname"] == "/one"


def test_a_load_is_as_long_as_the_browser_says(page: Page, site: Site) -> None:
    page.goto(site.url)
    (loaded,) = site.wait_for(1, "page_loaded")
    measured = page.evaluate("performance.getEntriesByType('navigation')[0].duration")
    assert loaded["properties"]["load_ms"] == pytest.approx(measured)
    assert measured > 0
    assert check_properties_types("page_loaded", loaded["properties"]) == ()


def test_each_capture_can_be_switched_off(page: Page, site: Site) -> None:
    site.attributes = 'data-off="clicks,errors,vitals"'
    site.body = "<button data-loopin=a>x</button>"
    page.goto(site.url)
    page.click("button")
    thrown(page, "throw new Error('meant')")
    flushed(page)
    page.goto("about:blank")
    site.wait_for(1, "$pageleave")
    assert {event["event"] for event in site.events} == {"$pageview", "end", "$pageleave"}
