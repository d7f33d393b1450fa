"""Events arrive, whatever happens to the network, the server, the tab and the storage."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import BrowserContext, Error, Page

from tests.e2e.browser.site import KEY, Answer, Event, Site

QUEUED = "Object.keys(localStorage).filter(name => name.startsWith('loopin_queue_')).sort()"
BEACON_LIMIT = 65_536


def answers(*first: Answer) -> Callable[[], Answer]:
    """These answers, then good ones."""
    left = list(first)
    return lambda: left.pop(0) if left else Answer()


def uuids(events: list[Event]) -> list[str]:
    return [event["uuid"] for event in events]


def settled(page: Page, site: Site) -> None:
    """Returns once the page has sent what it has."""
    page.evaluate("loopin.flush()")
    page.wait_for_function(f"{QUEUED}.length == 0")


def numbers(site: Site) -> list[int]:
    return [event["properties"]["n"] for event in site.events if event["event"] == "n"]


def test_events_wait_until_the_network_is_back(context: BrowserContext, page: Page, site: Site) -> None:
    page.goto(site.url)
    settled(page, site)
    context.set_offline(True)
    for n in range(20):
        page.evaluate("n => loopin.capture('n', {n})", n)
    page.evaluate("loopin.flush()")
    names = page.evaluate(QUEUED)
    context.set_offline(False)
    arrived = site.wait_for(20, "n")
    assert numbers(site) == list(range(20))
    assert [name.rpartition("_")[2] for name in names if name.rpartition("_")[2] in uuids(arrived)] == uuids(
        arrived
    )


def test_events_taken_offline_survive_a_closed_tab(context: BrowserContext, page: Page, site: Site) -> None:
    page.goto(site.url)
    settled(page, site)
    context.set_offline(True)
    page.evaluate("[1, 2, 3].forEach(n => loopin.capture('n', {n}))")
    session = page.evaluate("localStorage.loopin_session").split(" ")[0]
    kept = page.evaluate(QUEUED)
    with page.expect_event("close"):
        page.close(run_before_unload=True)
    context.set_offline(False)
    later = context.new_page()
    later.goto(site.url)
    arrived = site.wait_for(3, "n")
    assert numbers(site) == [1, 2, 3]
    assert set(uuids(arrived)) <= {name.rpartition("_")[2] for name in kept}
    assert {event["properties"]["$session_id"] for event in arrived} == {session}
    assert len(site.wait_for(1, "$pageleave")) == 1


def test_a_server_that_is_away_gets_the_same_events_later(page: Page, site: Site) -> None:
    site.answer = answers(Answer(503, {"Retry-After": "1"}), Answer(500, {"Retry-After": "1"}))
    page.goto(site.url)
    site.wait_for(1, "$pageview")
    first, second, third = site.posted[:3]
    assert [first.status, second.status, third.status] == [503, 500, 200]
    assert third.batch["batch"][: len(first.batch["batch"])] == first.batch["batch"]
    asked = timedelta(seconds=1)
    for earlier, later in ((first, second), (second, third)):
        sent = [datetime.fromisoformat(posted.batch["sent_at"]) for posted in (earlier, later)]
        assert sent[1] - sent[0] >= asked


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_until_a_server_wants_to_be_asked_again_nobody_asks(
    context: BrowserContext, page: Page, site: Site, status: int
) -> None:
    site.answer = answers(Answer(status, {"Retry-After": "600"}))
    page.goto(site.url)
    site.wait_until(lambda: len(site.posted) == 1)
    page.wait_for_function("+localStorage.loopin_wait > Date.now() + 590000")
    page.evaluate("loopin.capture('n', {n: 1}), loopin.flush()")
    context.set_offline(True)
    context.set_offline(False)
    page.goto(f"{site.url}/next")  # neither does its beacon on leaving, nor the next page
    page.evaluate("loopin.flush()")
    assert [posted.status for posted in site.posted] == [status]
    page.clock.set_fixed_time(datetime.now(UTC) + timedelta(seconds=601))
    page.evaluate("loopin.flush()")
    assert len(site.wait_for(2, "$pageview")) == 2
    assert numbers(site) == [1]


def test_without_being_told_it_waits_longer_each_time(page: Page, site: Site) -> None:
    site.answer = lambda: Answer(503)
    page.goto(site.url)
    waits = []
    for attempt in range(1, 12):
        site.wait_until(lambda attempt=attempt: len(site.posted) == attempt)  # type: ignore[misc]
        page.evaluate("navigator.locks.request('loopin_queue_', () => {})")  # once the attempt has ended
        wait = page.evaluate("+localStorage.loopin_wait - Date.now()") / 1000
        waits.append(wait)
        page.evaluate("localStorage.removeItem('loopin_wait'), loopin.flush()")
    expected = [min(2**attempt, 300) for attempt in range(1, 12)]
    assert waits == [pytest.approx(seconds, abs=5) for seconds in expected]


def test_an_absurd_retry_after_is_bounded(page: Page, site: Site) -> None:
    site.answer = answers(Answer(503, {"Retry-After": "99999999"}))
    page.goto(site.url)
    page.wait_for_function("+localStorage.loopin_wait > Date.now() + 3500000")
    assert page.evaluate("+localStorage.loopin_wait - Date.now()") <= 3_600_000


@pytest.mark.parametrize("asked", ["-5", "0.001", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", "0"])
def test_a_retry_after_that_says_nothing_does_not_make_it_hurry(page: Page, site: Site, asked: str) -> None:
    site.answer = lambda: Answer(503, {"Retry-After": asked})
    page.goto(site.url)
    site.wait_until(lambda: len(site.posted) == 1)
    page.evaluate("navigator.locks.request('loopin_queue_', () => {})")  # once the attempt has ended
    assert page.evaluate("+localStorage.loopin_wait - Date.now()") > 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 415])
def test_what_a_server_refuses_for_good_is_dropped_and_said(page: Page, site: Site, status: int) -> None:
    site.answer = answers(Answer(status))
    with page.expect_console_message(
        lambda message: str(status) in message.text and "loopin" in message.text
    ):
        page.goto(site.url)
    page.evaluate("loopin.capture('n', {n: 1})")
    settled(page, site)
    assert numbers(site) == [1]
    assert not site.named("$pageview")


def test_a_receipt_that_refuses_an_event_is_said(page: Page, site: Site) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(site.url)
    settled(page, site)
    receipts = [{"result": "ok", "reason": None}, {"result": "drop", "reason": "The name is blank."}]
    site.answer = answers(Answer(body=json.dumps({"status": 1, "receipts": receipts}).encode()))
    with page.expect_console_message(lambda message: "The name is blank." in message.text):
        page.evaluate("loopin.capture('n', {n: 1}), loopin.capture('  '), loopin.flush()")
    (told,) = [text for text in said if "loopin" in text]
    assert '"event":"  "' in told


@pytest.mark.parametrize("body", [b"", b"null", b"<html>", b'{"status": "ok"}', b'{"receipts": [null, 1]}'])
def test_any_good_answer_is_an_acknowledgement(page: Page, site: Site, body: bytes) -> None:
    site.answer = lambda: Answer(body=body)
    page.goto(site.url)
    settled(page, site)
    page.evaluate("loopin.capture('n', {n: 1})")
    settled(page, site)
    assert numbers(site) == [1]


def test_a_server_that_never_answers_holds_up_no_other_tab(
    context: BrowserContext, page: Page, site: Site
) -> None:
    hold = threading.Event()
    site.answer = answers(Answer(hold=hold))
    # The browser's own has a clock that no test can advance.
    context.add_init_script(
        """AbortSignal.timeout = ms => {
            const controller = new AbortController();
            setTimeout(() => controller.abort(), ms);
            return controller.signal;
        }"""
    )
    page.clock.install()
    page.goto(site.url)
    site.wait_until(lambda: len(site.posted) == 1)
    other = context.new_page()
    other.goto(f"{site.url}/other")
    other.evaluate("void loopin.flush()")
    assert len(site.posted) == 1
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/batch/")):
        page.clock.fast_forward(30_000)
    site.wait_until(lambda: len(site.posted) > 1)
    for tab in (page, other):
        settled(tab, site)
    assert [view["properties"]["$pathname"] for view in site.named("$pageview")] == ["/", "/other"]
    hold.set()


def test_browsers_that_cannot_end_a_request_send_all_the_same(page: Page, site: Site) -> None:
    page.add_init_script("delete AbortSignal.timeout")
    page.goto(site.url)
    site.wait_for(1, "$pageview")
    settled(page, site)


def test_tabs_that_come_back_online_send_each_event_once(
    context: BrowserContext, page: Page, site: Site
) -> None:
    tabs = [page, context.new_page(), context.new_page()]
    for tab in tabs:
        tab.goto(site.url)
        settled(tab, site)
    context.set_offline(True)
    for n in range(30):
        tabs[n % 3].evaluate("n => loopin.capture('n', {n})", n)
    context.set_offline(False)
    site.wait_until(lambda: set(numbers(site)) == set(range(30)))
    for tab in tabs:
        settled(tab, site)
    assert sorted(numbers(site)) == list(range(30))


def test_a_tab_that_crashes_loses_nothing(context: BrowserContext, page: Page, site: Site) -> None:
    page.goto(site.url)
    settled(page, site)
    other = context.new_page()
    other.goto(f"{site.url}/crashes")
    settled(other, site)
    site.answer = lambda: Answer(503, {"Retry-After": "1"})
    other.evaluate("[1, 2, 3].forEach(n => loopin.capture('n', {n}))")
    with other.expect_event("crash"), suppress(Error):  # it does not live to answer
        other.goto("chrome://crash")
    site.answer = Answer
    page.evaluate("loopin.capture('end')")
    site.wait_for(3, "n")
    assert numbers(site) == [1, 2, 3]


def test_a_tab_takes_over_from_one_that_was_closed(context: BrowserContext, page: Page, site: Site) -> None:
    page.goto(site.url)
    other = context.new_page()
    other.goto(site.url)
    for tab in (page, other):
        settled(tab, site)
    context.set_offline(True)
    other.evaluate("loopin.capture('n', {n: 1})")
    with other.expect_event("close"):
        other.close(run_before_unload=True)
    context.set_offline(False)
    site.wait_for(1, "n")
    assert numbers(site) == [1]


def test_without_locks_a_lease_keeps_tabs_apart(context: BrowserContext, site: Site) -> None:
    """Plain HTTP, where browsers have no locks."""
    url = f"http://plain.test:{site.port}/"
    hold = threading.Event()
    first, second = context.new_page(), context.new_page()
    for tab in (first, second):
        tab.goto(url)
        settled(tab, site)
    assert first.evaluate("navigator.locks") is None
    site.answer = lambda: Answer(hold=hold)
    sent = len(site.posted)
    first.evaluate("loopin.capture('n', {n: 1}), void loopin.flush()")
    site.wait_until(lambda: len(site.posted) == sent + 1)
    second.wait_for_function("+localStorage.loopin_wait > Date.now()")
    second.evaluate("loopin.capture('n', {n: 2}), loopin.flush()")
    assert len(site.posted) == sent + 1
    hold.set()
    site.wait_for(2, "n")
    assert numbers(site) == [1, 2]


def test_a_flood_on_leaving_goes_in_pieces_that_browsers_take(page: Page, site: Site) -> None:
    page.goto(site.url)
    settled(page, site)
    before = len(site.posted)
    # Three bytes a character, as in most scripts of the world.
    page.evaluate("for (let n = 0; n < 60; n++) loopin.capture('n', {n, text: '\u0939'.repeat(800)})")
    page.goto(f"{site.url}/next")
    site.wait_until(lambda: set(numbers(site)) == set(range(60)))
    assert all(len(posted.body) < BEACON_LIMIT for posted in site.posted)
    assert len(site.posted) - before >= 3
    settled(page, site)
    assert numbers(site) == list(range(60))


def test_where_beacons_are_refused_the_request_outlives_the_page(page: Page, site: Site) -> None:
    page.goto(site.url)
    settled(page, site)
    page.evaluate("navigator.sendBeacon = () => false")
    page.evaluate("loopin.capture('n', {n: 1})")
    page.goto("about:blank")
    site.wait_for(1, "n")


def test_what_a_page_sends_as_it_is_left_keeps_the_next_from_nothing(page: Page, site: Site) -> None:
    page.goto(site.url)
    settled(page, site)
    hold = threading.Event()
    site.answer = lambda: Answer(hold=hold)
    page.evaluate("navigator.sendBeacon = () => false")
    page.evaluate("loopin.capture('n', {n: 1}), dispatchEvent(new Event('pagehide'))")
    assert page.evaluate("localStorage.getItem('loopin_wait')") is None
    site.wait_for(1, "n")
    hold.set()


def test_events_are_sent_soon_without_being_asked(page: Page, site: Site) -> None:
    page.goto(site.url)
    settled(page, site)
    page.evaluate("loopin.capture('n', {n: 1})")
    site.wait_for(1, "n")


def test_the_queue_is_bounded_and_keeps_the_oldest(context: BrowserContext, page: Page, site: Site) -> None:
    page.goto(site.url)
    settled(page, site)
    context.set_offline(True)
    page.evaluate("for (let n = 0; n < 1100; n++) loopin.capture('n', {n})")
    assert len(page.evaluate(QUEUED)) == 1000
    context.set_offline(False)
    site.wait_until(lambda: len(set(numbers(site))) == 1000)
    settled(page, site)
    assert numbers(site) == list(range(1000))
    page.evaluate("loopin.capture('after')")
    settled(page, site)
    (after,) = site.named("after")
    assert after["properties"]["$dropped_events"] == 100


def test_the_queue_leaves_the_page_most_of_its_storage(
    context: BrowserContext, page: Page, site: Site
) -> None:
    page.goto(site.url)
    context.set_offline(True)
    page.evaluate("for (let n = 0; n < 100; n++) loopin.capture('n', {n, text: 'x'.repeat(30000)})")
    size = page.evaluate("Object.values({...localStorage}).join('').length")
    assert 900_000 < size < 1_100_000


def test_what_is_larger_than_a_server_takes_is_dropped_at_once(page: Page, site: Site) -> None:
    page.goto(site.url)
    with page.expect_console_message(lambda message: "huge dropped" in message.text):
        page.evaluate("loopin.capture('huge', {text: 'x'.repeat(33000)})")
    page.evaluate("loopin.capture('after')")
    settled(page, site)
    (after,) = site.named("after")
    assert after["properties"]["$dropped_events"] == 1
    assert not site.named("huge")


def test_a_full_storage_loses_nothing(page: Page, site: Site) -> None:
    page.goto(site.url)
    settled(page, site)
    page.evaluate(
        """() => {
            let size = 1 << 22;
            for (let n = 0; size >= 1; n++)
                try { localStorage['theirs' + n] = 'x'.repeat(size); } catch (e) { size >>= 1; }
        }"""
    )
    page.evaluate("[1, 2].forEach(n => loopin.capture('n', {n})), loopin.flush()")
    site.wait_for(2, "n")
    page.evaluate("loopin.capture('n', {n: 3})")
    page.goto("about:blank")
    site.wait_for(3, "n")
    assert numbers(site) == [1, 2, 3]
    assert len({event["properties"]["$session_id"] for event in site.named("n")}) == 1


def test_another_projects_events_are_left_alone(context: BrowserContext, page: Page, site: Site) -> None:
    page.goto(site.url)
    settled(page, site)
    page.evaluate("localStorage['loopin_queue_lk_other_0'] = '{\"event\": \"theirs\"}'")
    page.evaluate("loopin.capture('n', {n: 1})")
    page.evaluate("loopin.flush()")
    site.wait_for(1, "n")
    assert not site.named("theirs")
    assert page.evaluate("localStorage['loopin_queue_lk_other_0']")


def test_what_waits_under_a_former_key_is_kept_for_a_week(page: Page, site: Site) -> None:
    def queued(key: str, days: int) -> str:
        ms = int((datetime.now(UTC) - timedelta(days=days)).timestamp() * 1000)
        digits = f"{ms:012x}"
        return f"loopin_queue_{key}_{digits[:8]}-{digits[8:]}-7000-8000-000000000000"

    page.goto(site.url)
    settled(page, site)
    young, old, ours = queued("lk_former", 6), queued("lk_former", 8), queued(KEY, 8)
    text = json.dumps({"event": "n", "distinct_id": "user-1", "uuid": "n", "properties": {"n": 1}})
    store = "([names, text]) => names.forEach(name => localStorage.setItem(name, text))"
    page.evaluate(store, [[young, old, ours], text])
    page.reload()
    page.evaluate("loopin.flush()")
    page.wait_for_function(f"{QUEUED}.length == 1")
    assert page.evaluate(QUEUED) == [young]
    assert numbers(site) == [1]
