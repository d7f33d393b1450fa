from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from io import BytesIO
from types import ModuleType
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path as url

from loopin_producers.context import context_distinct_id, context_tags, identify_context, new_context, tag
from loopin_producers.django import identity
from loopin_producers.django.middleware import LoopinMiddleware
from loopin_schemas.catalogue import check_properties_types
from tests.producers.counted import counted
from tests.producers.recorder import Recorder

COOKIE = "019ae1c8-3f00-7abc-8def-0123456789ab"
MIDDLEWARE = "loopin_producers.django.middleware.LoopinMiddleware"


def test_a_request_is_captured_as_the_catalogue_says(browser: Client, recorder: Recorder) -> None:
    answer = browser.get(
        "/tickets/17/?utm_source=mail&utm_medium=news&q=private",
        headers={"referer": "https://user:pw@search.example/find?q=private#part"},
        REMOTE_ADDR="203.0.113.77",
    )

    assert answer.status_code == 404
    one = recorder.only("api_request")
    found = one["properties"]
    assert found.pop("duration_ms") > 0
    assert found == {
        "route": "/tickets/<int:ticket_id>/",
        "method": "GET",
        "status": 404,
        "$raw_user_agent": "Mozilla/5.0",
        "$ip": "203.0.113.0",
        "$current_url": "http://testserver/tickets/<int:ticket_id>/?utm_source=mail&utm_medium=news",
        "$referrer": "https://search.example/find",
        "$referring_domain": "search.example",
        "utm_source": "mail",
        "utm_medium": "news",
        "campaign_source": "mail",
        "campaign_medium": "news",
        "$is_identified": False,
    }
    assert one["source"] == "middleware"
    assert one["session_id"] is None
    assert one["distinct_id"].startswith("anon-")
    assert check_properties_types("api_request", {**found, "duration_ms": 1.0}) == ()


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/stream/", "/stream/", 200),
        ("/old/12/", "/old/(?P<ticket_id>[0-9]+)/$", 404),
        ("/tickets/1", "(unmatched)", 301),
        ("/wp-login.php", "(unmatched)", 404),
        ("/broken/", "/broken/", 500),
    ],
)
def test_routes_are_patterns(browser: Client, recorder: Recorder, path: str, route: str, status: int) -> None:
    assert browser.get(path).status_code == status
    found = recorder.only("api_request")["properties"]
    assert (found["route"], found["status"]) == (route, status)
    assert found.get("exception") == ("ZeroDivisionError" if status == 500 else None)


def test_a_fault_of_an_inner_middleware_is_named_too(browser: Client, recorder: Recorder) -> None:
    with override_settings(MIDDLEWARE=[MIDDLEWARE, f"{__name__}.faulty"]):
        assert browser.get("/stream/").status_code == 500
    found = recorder.only("api_request")["properties"]
    assert (found["status"], found["exception"], found["route"]) == (500, "KeyError", "(unmatched)")


def faulty(get_response: Any) -> Any:
    def answer(request: HttpRequest) -> HttpResponse:
        raise KeyError("x")

    return answer


def test_neither_ids_nor_secrets_of_a_path_leave(browser: Client, recorder: Recorder) -> None:
    own = {"referer": "http://testserver/tickets/9271/?q=9271"}
    for path in ("/reset/MTc/c3ec-9271/", "/tickets/9271/", "/old/9271/", "/nope/9271/a@b.example"):
        browser.get(path, headers=own)
    browser.get("/tickets/9271/", SCRIPT_NAME="/shop")
    found = [one["properties"] for one in recorder.of("api_request")]
    assert "9271" not in str(found)
    assert [one["$current_url"] for one in found] == [
        "http://testserver/reset/<uidb64>/<token>/",
        "http://testserver/tickets/<int:ticket_id>/",
        "http://testserver/old/(%3FP<ticket_id>[0-9]+)/$",
        "http://testserver/(unmatched)",
        "http://testserver/shop/tickets/<int:ticket_id>/",
    ]
    assert {one["$referrer"] for one in found[:4]} == {"http://testserver/"}


def test_excluded_paths_pass(browser: Client, recorder: Recorder) -> None:
    assert browser.get("/health/").status_code == 200
    assert browser.get("/static/x.css").status_code == 404
    assert recorder.captured == []


def test_a_signed_in_user_is_named_without_a_query(browser: Client, recorder: Recorder) -> None:
    user = User.objects.create_user("ann")
    browser.force_login(user)
    recorder.captured.clear()

    with CaptureQueriesContext(connection) as queries:
        browser.get("/stream/")
    assert [query["sql"] for query in queries if query["sql"].startswith("SELECT")] == []
    # Nobody asked who it is, so the request is its session's.
    key = browser.cookies["sessionid"].value
    unknown = recorder.only("api_request")
    assert unknown["distinct_id"] == f"session-{unknown['properties']['session_key_hash']}"
    assert key not in str(unknown)

    browser.get("/context/?user=1")
    assert recorder.of("api_request")[1]["distinct_id"] == str(user.pk)
    with CaptureQueriesContext(connection) as queries:
        browser.get("/stream/")
    assert [query["sql"] for query in queries if query["sql"].startswith("SELECT")] == []
    # Now this process knows whose session it is.
    assert recorder.of("api_request")[2]["distinct_id"] == str(user.pk)

    signed_out = browser.cookies["sessionid"].value
    browser.post("/sign-out/")
    for path in ("/context/?user=1", "/stream/"):
        browser.cookies["sessionid"] = signed_out
        browser.get(path)
    assert {one["distinct_id"] for one in recorder.of("api_request")[-2:]} == {unknown["distinct_id"]}


@pytest.fixture
def no_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """No session's user is known."""
    monkeypatch.setattr(identity, "_users", {})


@pytest.mark.usefixtures("no_sessions")
def test_the_key_from_before_a_sign_in_is_not_the_users(browser: Client, recorder: Recorder) -> None:
    browser.cookies["sessionid"] = "a-key-that-a-stranger-has-planted"
    for name in ("ann", "bob"):  # who takes over from ann, whose key is known
        user = User.objects.create_user(name, password="a password")
        before = browser.cookies["sessionid"].value
        browser.get("/context/?user=1")
        browser.post("/sign-in/", {"name": name, "password": "a password"})
        assert recorder.of("api_request")[-1]["distinct_id"] == str(user.pk)
        signed_in = browser.cookies["sessionid"].value
        browser.cookies["sessionid"] = before
        browser.get("/stream/")
        assert recorder.of("api_request")[-1]["distinct_id"].startswith("session-")
        browser.cookies["sessionid"] = signed_in


@pytest.mark.usefixtures("no_sessions")
def test_the_user_of_a_token_is_not_the_sessions(browser: Client, recorder: Recorder) -> None:
    browser.force_login(User.objects.create_user("ann"))
    User.objects.create_user("bob")
    _through("token_reader", browser)
    browser.get("/stream/")
    first, second = (one["distinct_id"] for one in recorder.of("api_request"))
    assert (first, second[:8]) == (str(User.objects.get(username="bob").pk), "session-")


def _through(middleware: str, browser: Client, address: str = "/stream/") -> None:
    """The same browser's request by way of another middleware; a client's handler keeps its own."""
    other = Client()
    other.cookies = browser.cookies
    with override_settings(MIDDLEWARE=[*_middleware(), f"{__name__}.{middleware}"]):
        _streamed(other.get(address))


def token_reader(get_response: Any) -> Any:
    def answer(request: HttpRequest) -> HttpResponseBase:
        request.user = User.objects.get(username="bob")
        response: HttpResponseBase = get_response(request)
        return response

    return answer


@pytest.mark.usefixtures("no_sessions")
def test_a_session_that_another_process_ended_is_nobodys(
    browser: Client, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = User.objects.create_user("ann")
    browser.force_login(user)
    now = 1000.0
    monkeypatch.setattr(identity, "monotonic", lambda: now)
    _through("session_reader", browser)
    browser.get("/stream/")
    Session.objects.all().delete()
    now += identity.REMEMBERED_S - 1
    browser.get("/stream/")
    now += 1
    browser.get("/stream/")
    found = [one["distinct_id"] for one in recorder.of("api_request")]
    assert found[:3] == [str(user.pk)] * 3
    assert found[3].startswith("session-")

    identity._users.clear()
    identity._visitors.clear()
    browser.force_login(user)
    browser.get("/context/?user=1")
    key = browser.cookies["sessionid"].value
    Session.objects.all().delete()
    # This one looks into the session and finds it empty.
    _through("session_reader", browser)
    browser.cookies["sessionid"] = key
    browser.get("/stream/")
    assert all(one["distinct_id"].startswith("session-") for one in recorder.of("api_request")[-2:])


def test_so_many_sessions_are_remembered(
    browser: Client, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "SESSIONS", 2)
    monkeypatch.setattr(identity, "_users", {})
    users = [User.objects.create_user(f"user-{number}") for number in range(3)]
    sessions = []
    for user in users:
        browser.force_login(user)
        sessions.append(browser.cookies["sessionid"].value)
        browser.get("/context/?user=1")
    recorder.captured.clear()
    for session in sessions:
        browser.cookies["sessionid"] = session
        browser.get("/stream/")

    first, *others = (one["distinct_id"] for one in recorder.of("api_request"))
    assert first.startswith("session-")
    assert others == [str(user.pk) for user in users[1:]]


def test_visitors_push_no_user_out_of_the_memory(
    browser: Client, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "SESSIONS", 2)
    for name in ("_users", "_visitors"):
        monkeypatch.setattr(identity, name, {}, raising=False)
    user = User.objects.create_user("ann")
    browser.force_login(user)
    browser.get("/context/?user=1")
    for _ in range(5):
        Client(headers={"user-agent": "Mozilla/5.0"}).get("/cart/")
    recorder.captured.clear()
    browser.get("/stream/")
    assert recorder.only("api_request")["distinct_id"] == str(user.pk)
    assert len(identity._visitors) == 2


class Asked:
    """A user who counts how often it is asked whether they are one."""

    pk = 17
    times = 0

    @property
    def is_authenticated(self) -> bool:
        type(self).times += 1
        return True


def asked_user(get_response: Any) -> Any:
    """Middleware that puts one in the user's place."""

    def answer(request: HttpRequest) -> HttpResponse:
        request.user = Asked()  # type: ignore[assignment]  # as far as we look
        response: HttpResponse = get_response(request)
        return response

    return answer


def test_who_it_is_is_found_out_once_a_request(
    browser: Client, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Asked, "times", 0)
    with override_settings(MIDDLEWARE=[*_middleware(), f"{__name__}.asked_user"]):
        browser.get("/stream/")
    assert recorder.only("api_request")["distinct_id"] == "17"
    assert Asked.times == 1


def test_a_view_that_asks_the_session_only_is_enough(
    browser: Client, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.force_login(User.objects.create_user("ann"))
    recorder.captured.clear()
    with override_settings(MIDDLEWARE=[*_middleware(), f"{__name__}.session_reader"]):
        browser.get("/stream/")
    assert recorder.only("api_request")["distinct_id"] == str(User.objects.get().pk)


def session_reader(get_response: Any) -> Any:
    def answer(request: HttpRequest) -> HttpResponseBase:
        request.session.get("cart")
        response: HttpResponseBase = get_response(request)
        return response

    return answer


def _middleware() -> list[str]:
    from django.conf import settings

    return list(settings.MIDDLEWARE)


def test_no_vary_header_is_added(browser: Client, recorder: Recorder) -> None:
    browser.force_login(User.objects.create_user("ann"))
    assert not browser.get("/stream/").has_header("Vary")


def test_ids_of_the_client(browser: Client, recorder: Recorder) -> None:
    headers = {"x-loopin-session-id": "s-1", "x-posthog-distinct-id": "device-1"}
    browser.get("/stream/", headers=headers)
    browser.cookies["loopin_id"] = COOKIE
    browser.get("/stream/")
    browser.get("/stream/", headers={"x-posthog-session-id": "undefined", "x-loopin-distinct-id": "null"})
    assert [(one["distinct_id"], one["session_id"]) for one in recorder.of("api_request")] == [
        ("device-1", "s-1"),
        (COOKIE, None),
        (COOKIE, None),
    ]


def test_a_header_names_nobody_else_than_the_signed_in_user(browser: Client, recorder: Recorder) -> None:
    user = User.objects.create_user("ann")
    browser.force_login(user)
    browser.get("/context/?user=1", headers={"x-loopin-distinct-id": "somebody-else"})
    assert recorder.of("api_request")[-1]["distinct_id"] == str(user.pk)


def test_visitors_are_told_apart_by_address_and_browser(recorder: Recorder) -> None:
    for address, agent in (("192.0.2.1", "a"), ("192.0.2.2", "a"), ("192.0.2.1", "b"), ("192.0.2.1", "a")):
        Client(REMOTE_ADDR=address, headers={"user-agent": agent}).get("/stream/")
    first, second, third, fourth = (one["distinct_id"] for one in recorder.of("api_request"))
    assert first == fourth
    assert len({first, second, third}) == 3


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        ({"IP": "keep"}, "198.51.100.9"),
        ({"IP": "keep", "TRUSTED_PROXIES": 1}, "203.0.113.77"),
        ({"IP": "truncate", "TRUSTED_PROXIES": 1}, "203.0.113.0"),
        ({"IP": "drop"}, None),
    ],
)
def test_addresses_follow_the_setting(
    browser: Client, recorder: Recorder, own: dict[str, Any], kept: str | None
) -> None:
    with override_settings(LOOPIN=own):
        browser.get(
            "/stream/",
            headers={"x-forwarded-for": "192.0.2.1, 203.0.113.77"},
            REMOTE_ADDR="198.51.100.9",
        )
    assert recorder.only("api_request")["properties"].get("$ip") == kept


def test_anonymous_requests_may_be_left_out(browser: Client, recorder: Recorder) -> None:
    with override_settings(LOOPIN={"TRACK_ANONYMOUS": False}):
        browser.get("/stream/", headers={"x-loopin-distinct-id": "device-1"})
        assert browser.get("/context/").json()["distinct_id"] is None
        assert recorder.captured == []
        user = User.objects.create_user("ann")
        browser.force_login(user)
        browser.get("/context/?user=1")
    assert recorder.only("api_request")["distinct_id"] == str(user.pk)


@pytest.mark.parametrize("path", ["/context/", "/slow-context/"])
def test_a_view_captures_for_its_user(browser: Client, recorder: Recorder, path: str) -> None:
    user = User.objects.create_user("ann")
    browser.force_login(user)
    found = browser.get(f"{path}?user=1&utm_source=mail", headers={"x-loopin-session-id": "s-1"}).json()
    assert (found["distinct_id"], found["user"], found["session"]) == (str(user.pk), str(user.pk), "s-1")
    assert found["tags"] == {
        "$raw_user_agent": "Mozilla/5.0",
        "$ip": "127.0.0.0",
        "utm_source": "mail",
        "campaign_source": "mail",
    }


@pytest.mark.parametrize("path", ["/context/", "/slow-context/"])
async def test_asynchronous_django(async_browser: AsyncClient, recorder: Recorder, path: str) -> None:
    user = await User.objects.acreate(username="ann")
    await async_browser.aforce_login(user)
    recorder.captured.clear()

    answer = await async_browser.get(f"{path}?user=1")

    assert answer.json()["distinct_id"] == str(user.pk)
    one = recorder.only("api_request")
    assert (one["distinct_id"], one["properties"]["route"]) == (str(user.pk), path)
    assert (await async_browser.get("/broken/")).status_code == 500
    assert recorder.of("api_request")[1]["properties"]["exception"] == "ZeroDivisionError"
    assert (await async_browser.get("/health/")).status_code == 200
    assert len(recorder.captured) == 2


def test_anonymous_users_are_left_out_where_the_pipeline_is_told_so(
    browser: Client, recorder: Recorder
) -> None:
    user = User.objects.create_user("ann", password="a password")
    recorder.kept.clear()
    for cookies in ({}, {"loopin_id": COOKIE}, {"sessionid": "unknown"}):
        browser.cookies.clear()
        browser.cookies.load(cookies)
        _streamed(browser.get("/export/"))
        browser.post("/sign-in/", {"name": "ann", "password": "a wrong guess"})
    authenticate(username="ann", password="a wrong guess")
    assert len(recorder.kept) == 3 * 6 + 1
    assert counted(recorder) == []

    browser.cookies.clear()
    browser.cookies.load({"loopin_id": COOKIE, "sessionid": "unknown"})
    recorder.kept.clear()
    _through("session_reader", browser, "/export/")
    assert {event.distinct_id for event in recorder.kept} == {COOKIE}, "nobody is signed in"
    assert counted(recorder) == []

    recorder.kept.clear()
    browser.post("/sign-in/", {"name": "ann", "password": "a password"})
    _streamed(browser.get("/export/?user=1"))
    assert len(recorder.kept) == 7
    assert counted(recorder) == recorder.kept
    assert {event.distinct_id for event in recorder.kept} == {str(user.pk)}


def test_contexts_within_a_request_know_what_it_knows(recorder: Recorder) -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        with new_context():
            recorder.capture("seen")
            request.user = User(pk=17)
            recorder.capture("seen")
        return HttpResponse()

    LoopinMiddleware(answer)(RequestFactory().get("/x/"))
    assert [event.distinct_id for event in counted(recorder)] == ["17", "17"]
    assert "$device_id" not in str(bytes(recorder.kept[-1].properties))


@pytest.mark.parametrize("header", ["x-posthog-distinct-id", "x-loopin-distinct-id"])
def test_a_known_user_whose_browser_sends_their_own_id_is_known(
    browser: Client, recorder: Recorder, header: str
) -> None:
    """As posthog-js does after ``identify``."""
    user = User.objects.create_user("ann")
    recorder.kept.clear()
    own = {header: str(user.pk)}
    _streamed(browser.get("/export/", headers=own))
    assert (len(recorder.kept), counted(recorder)) == (4, [])
    browser.force_login(user)
    recorder.kept.clear()
    _streamed(browser.get("/export/?user=1", headers=own))
    assert {event.distinct_id for event in recorder.kept} == {str(user.pk)}
    assert (len(recorder.kept), counted(recorder)) == (4, recorder.kept)


def test_a_view_that_names_the_headers_user_has_authenticated_them(recorder: Recorder) -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        recorder.capture("seen")
        identify_context("17")
        recorder.capture("seen")
        with new_context():
            recorder.capture("seen")
        return HttpResponse()

    LoopinMiddleware(answer)(RequestFactory().get("/x/", headers={"x-posthog-distinct-id": "17"}))
    assert [event.event for event in recorder.kept] == ["seen"] * 3 + ["api_request"]
    assert counted(recorder) == recorder.kept[1:]


def test_a_device_that_a_view_names_stays(recorder: Recorder) -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        tag("$device_id", "phone-1")
        recorder.capture("seen")
        return HttpResponse()

    LoopinMiddleware(answer)(RequestFactory().get("/x/"))
    assert json.loads(bytes(recorder.kept[0].properties))["$device_id"] == "phone-1"


@pytest.mark.parametrize("ask", ["?user=1", ""])
def test_streamed_content_captures_for_its_user(browser: Client, recorder: Recorder, ask: str) -> None:
    browser.force_login(User.objects.create_user("ann"))
    recorder.captured.clear()
    recorder.kept.clear()
    answer: Any = browser.get(f"/export/{ask}", headers={"x-loopin-session-id": "s-1"})
    assert next(answer.streaming_content) == b"0\n"
    assert context_distinct_id() is None
    answer.close()  # the client has left
    assert [event.event for event in recorder.kept] == ["api_request", "line_exported", "export_ended"]
    request, *streamed = recorder.kept
    assert {event.distinct_id for event in streamed} == {request.distinct_id}
    assert {event.session_id for event in streamed} == {"s-1"}
    assert request.distinct_id == (str(User.objects.get().pk) if ask else streamed[0].distinct_id)


@pytest.mark.parametrize("path", ["/export/", "/slow-export/"])
async def test_streamed_content_captures_for_its_user_in_asynchronous_django(
    async_browser: AsyncClient, recorder: Recorder, path: str
) -> None:
    user = await User.objects.acreate(username="ann")
    await async_browser.aforce_login(user)
    recorder.captured.clear()
    recorder.kept.clear()
    answer: Any = await async_browser.get(f"{path}?user=1")
    content = answer.streaming_content
    found = [piece async for piece in content] if answer.is_async else list(content)
    assert found == [b"0\n", b"1\n"]
    assert context_distinct_id() is None
    assert [event.event for event in recorder.kept] == [
        *("api_request", "line_exported", "line_exported", "export_ended")
    ]
    assert {event.distinct_id for event in recorder.kept} == {str(user.pk)}


def test_who_the_content_names_stays_named_and_files_stay_files(recorder: Recorder) -> None:
    def lines() -> Iterator[str]:
        identify_context("user-17")
        tag("plan", "gold")
        yield str(context_distinct_id())
        yield f"{context_distinct_id()} {context_tags()['plan']}"

    streamed: Any = LoopinMiddleware(lambda request: StreamingHttpResponse(lines()))(
        RequestFactory().get("/x/")
    )
    assert list(streamed.streaming_content) == [b"user-17", b"user-17 gold"]
    file = FileResponse(BytesIO(b"x"))
    assert LoopinMiddleware(lambda request: file)(RequestFactory().get("/x/")) is file
    assert file.file_to_stream is not None, "a server can still send it by itself"


@pytest.mark.parametrize("path", ["/context/", "/slow-context/"])
@pytest.mark.parametrize("method", ["head", "options"])
async def test_other_methods(
    async_browser: AsyncClient, browser: Client, recorder: Recorder, method: str, path: str
) -> None:
    assert (await getattr(async_browser, method)(path)).status_code == 200
    assert (await sync_to_async(getattr(browser, method))(path)).status_code == 200
    found = [(one["properties"]["method"], one["properties"]["route"]) for one in recorder.of("api_request")]
    assert found == [(method.upper(), path)] * 2


@pytest.mark.parametrize("atomic", [True, False])
async def test_asynchronous_views_under_atomic_requests(
    async_browser: AsyncClient, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, atomic: bool
) -> None:
    """Django refuses them there, unless they say that they are not atomic; what it answers is captured."""

    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(context_distinct_id()))

    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    own = ModuleType("own_urls")
    own.urlpatterns = [url("own/", view)]  # type: ignore[attr-defined]  # a module made here
    with override_settings(ROOT_URLCONF=own):
        answer = await async_browser.get("/own/", headers={"x-loopin-distinct-id": "device-1"})
    one = recorder.only("api_request")
    assert answer.status_code == one["properties"]["status"] == (500 if atomic else 200)
    assert one["properties"].get("exception") == ("RuntimeError" if atomic else None)
    assert atomic or answer.content == b"device-1"


async def test_a_client_that_leaves_before_the_answer(recorder: Recorder) -> None:
    entered = asyncio.Event()

    async def never(request: HttpRequest) -> HttpResponse:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    answering: Any = LoopinMiddleware(never)(AsyncRequestFactory().get("/tickets/"))
    task = asyncio.ensure_future(answering)
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert recorder.only("api_request")["properties"]["status"] == 499


def test_streams_are_not_read(browser: Client, recorder: Recorder) -> None:
    answer: Any = browser.get("/stream/")
    assert len(recorder.of("api_request")) == 1
    assert b"".join(answer.streaming_content) == b"one\ntwo\n"


def test_a_fault_of_ours_changes_no_answer_and_is_logged_once(
    browser: Client, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.fault = RuntimeError("no room")
    answers = [browser.get("/context/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    said = [record for record in caplog.records if "Not captured." in record.getMessage()]
    assert len(said) == 1
    assert "RuntimeError" in said[0].getMessage()


def test_a_fault_while_reading_the_request_changes_no_answer(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(HttpRequest):
        path = "/x/"
        META = None  # type: ignore[assignment]

        def __init__(self) -> None:
            pass

    answer = LoopinMiddleware(lambda request: HttpResponse("fine"))(Odd())
    assert isinstance(answer, HttpResponse)
    assert answer.content == b"fine"
    assert recorder.captured == []
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


HOSTILE = (
    "\x00\x01",
    "a\x00b" * 5000,
    "\xff\xfe",
    "http://[::1",
    "javascript:alert(1)",
    "é" * 3000,
    "utm_source=%00%ff&utm_source=2&utm_medium=" + "x" * 9000,
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_headers_lose_no_event(recorder: Recorder, text: str) -> None:
    request = RequestFactory().get("/x/")
    for name in ("USER_AGENT", "REFERER", "X_FORWARDED_FOR", "HOST", "X_LOOPIN_SESSION_ID", "COOKIE"):
        request.META[f"HTTP_{name}"] = text
    request.META["QUERY_STRING"] = text
    request.method = text
    request.path = f"/{text}"
    LoopinMiddleware(lambda request: HttpResponse())(request)
    assert len(str(recorder.only("api_request"))) < 8000


def test_a_disabled_client_is_asked_for_nothing(browser: Client, recorder: Recorder) -> None:
    recorder.disabled = True
    browser.get("/stream/")
    assert recorder.captured == []


def _streamed(response: Any) -> bytes:
    """All of a streaming answer; the test client's type does not tell that it is one."""
    return b"".join(response.streaming_content)
