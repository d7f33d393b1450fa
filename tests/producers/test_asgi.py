from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from loopin_producers import asgi
from loopin_producers.asgi import LoopinMiddleware
from loopin_producers.context import (
    context_distinct_id,
    context_session_id,
    context_tags,
    identify_context,
    tag,
)
from loopin_producers.guard import Guard
from loopin_schemas.catalogue import check_properties_types

from .counted import counted
from .recorder import Recorder

COOKIE = "019ae1c8-3f00-7abc-8def-0123456789ab"


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    monkeypatch.setattr(asgi, "_guard", Guard("Not captured."))
    return Recorder()


async def ticket(request: Request) -> Response:
    return PlainTextResponse(str(request.path_params))


async def broken(request: Request) -> Response:
    raise ZeroDivisionError("private")


async def lines(request: Request) -> Response:
    async def each() -> AsyncIterator[str]:
        yield "one\n"
        yield "two\n"

    return StreamingResponse(each())


async def files(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("file")(scope, receive, send)


class Header(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        name = conn.headers.get("x-user")
        return (AuthCredentials(), SimpleUser(name)) if name else None


def shop(recorder: Recorder, **options: Any) -> Starlette:
    inner = Starlette(routes=[Route("/seats/{seat:int}", ticket)])
    return Starlette(
        routes=[
            Route("/", ticket),
            Route("/tickets/{ticket_id:int}", ticket),
            Route("/reset/{token}", ticket),
            Route("/broken", broken),
            Route("/lines", lines),
            Mount("/files/{bucket}", files),
            Mount("/halls/{hall}", inner),
            Mount("/floors/{floor:int}", inner),
            Mount("/trees/{tree:path}/-", inner),
        ],
        middleware=[
            Middleware(LoopinMiddleware, client=recorder, **options),
            Middleware(AuthenticationMiddleware, backend=Header()),
        ],
    )


class Browser:
    """Sends requests to an application in this process; ``options`` are the transport's."""

    def __init__(self, app: Any, **options: Any) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False, **options)

    def get(self, path: str, headers: Any = None, method: str = "GET") -> httpx.Response:
        return asyncio.run(self._send(method, path, headers))

    async def _send(self, method: str, path: str, headers: Any) -> httpx.Response:
        own = {"user-agent": "Mozilla/5.0"}
        async with httpx.AsyncClient(
            transport=self._transport, base_url="http://testserver", headers=own
        ) as client:
            return await client.request(method, path, headers=headers)


def test_a_request_is_captured_as_the_catalogue_says(recorder: Recorder) -> None:
    Browser(shop(recorder), client=("203.0.113.77", 5000)).get(
        "/tickets/17?utm_source=mail&q=private", headers={"referer": "https://search.example/?q=private"}
    )
    one = recorder.only("api_request")
    found = one["properties"]
    assert check_properties_types("api_request", found) == ()
    assert found.pop("duration_ms") > 0
    assert found == {
        "route": "/tickets/{ticket_id}",
        "method": "GET",
        "status": 200,
        "$raw_user_agent": "Mozilla/5.0",
        "$ip": "203.0.113.0",
        "$current_url": "http://testserver/tickets/{ticket_id}?utm_source=mail",
        "$referrer": "https://search.example/",
        "$referring_domain": "search.example",
        "utm_source": "mail",
        "campaign_source": "mail",
        "$is_identified": False,
    }
    assert (one["source"], one["session_id"]) == ("middleware", None)


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/", "/", 200),
        ("/halls/7/seats/007", "/halls/{hall}/seats/{seat}", 200),
        ("/halls/7/nowhere", "/halls/{hall}", 404),
        ("/floors/007/seats/7", "/floors/{floor}/seats/{seat}", 200),
        ("/trees/a/b/-/seats/7", "/trees/{tree}/-/seats/{seat}", 200),
        ("/files/b1/a/b.txt", "/files/{bucket}", 200),
        ("/nowhere", "(unmatched)", 404),
        ("/broken", "/broken", 500),
    ],
)
@pytest.mark.parametrize("root_path", ["", "/behind/a/proxy"])
def test_routes_are_patterns(recorder: Recorder, path: str, route: str, status: int, root_path: str) -> None:
    assert Browser(shop(recorder), root_path=root_path).get(root_path + path).status_code == status
    found = recorder.only("api_request")["properties"]
    assert (found["route"], found["status"]) == (route, status)
    assert found["$current_url"] == f"http://testserver{root_path}/{route.removeprefix('/')}"
    assert found.get("exception") == ("ZeroDivisionError" if status == 500 else None)
    assert "private" not in str(found)


def test_a_method_that_is_not_allowed_has_its_route(recorder: Recorder) -> None:
    assert Browser(shop(recorder)).get("/tickets/17", method="POST").status_code == 405
    assert recorder.only("api_request")["properties"]["route"] == "/tickets/{ticket_id}"


def fastapi(recorder: Recorder) -> FastAPI:
    def known(request: Request) -> None:
        identify_context(f"user-{request.headers['x-token']}")

    inner = APIRouter(prefix="/inner")
    outer = APIRouter(prefix="/outer/{shop}")

    @inner.get("/items/{item}")
    def item(shop: str, item: int) -> dict[str, Any]:
        return {"user": context_distinct_id(), "tags": context_tags(), "session": context_session_id()}

    @inner.get("/gone")
    def gone(shop: str) -> None:
        raise HTTPException(410)

    outer.include_router(inner, dependencies=[Depends(known)])
    app = FastAPI()
    app.include_router(outer)
    mounted = FastAPI()
    mounted.include_router(inner)
    app.mount("/mounted", mounted)
    app.add_middleware(LoopinMiddleware, client=recorder)
    return app


def test_fastapi(recorder: Recorder) -> None:
    visitor = Browser(fastapi(recorder))
    said = visitor.get(
        "/outer/s/inner/items/5", headers={"x-token": "17", "x-posthog-session-id": "session-1"}
    ).json()
    visitor.get("/outer/s/inner/gone", headers={"x-token": "17"})
    visitor.get("/outer/s/inner/items/none", headers={"x-token": "17"})
    visitor.get("/mounted/inner/gone?shop=s")

    # A dependency said who it is, in another thread: that holds for the view and for the request.
    assert (said["user"], said["session"]) == ("user-17", "session-1")
    assert said["tags"]["$raw_user_agent"] == "Mozilla/5.0"
    requests = recorder.of("api_request")
    assert [one["distinct_id"] for one in requests[:3]] == ["user-17"] * 3
    assert requests[0]["session_id"] == "session-1"
    assert [(one["properties"]["route"], one["properties"]["status"]) for one in requests] == [
        ("/outer/{shop}/inner/items/{item}", 200),
        ("/outer/{shop}/inner/gone", 410),
        ("/outer/{shop}/inner/items/{item}", 422),
        ("/mounted/inner/gone", 410),
    ]


def test_who_it_is(recorder: Recorder) -> None:
    visitor = Browser(shop(recorder))
    visitor.get("/", headers={"x-user": "ann", "x-loopin-distinct-id": "somebody-else"})
    visitor.get("/", headers={"x-loopin-distinct-id": "device-1", "cookie": f"loopin_id={COOKIE}"})
    visitor.get("/", headers={"cookie": f'a=1; loopin_id="{COOKIE.replace("-", "%2D")}"; c'})
    visitor.get("/", headers={"cookie": "loopin_id=ann"})
    visitor.get("/")
    named = [one["distinct_id"] for one in recorder.of("api_request")]
    assert named[:3] == ["ann", "device-1", COOKIE]
    assert named[3] == named[4]
    assert named[3].startswith("anon-")


def test_anonymous_users_are_left_out_where_the_pipeline_is_told_so(recorder: Recorder) -> None:
    def known(request: Request) -> dict[str, Any]:
        recorder.capture("seen")
        if user := request.headers.get("x-late"):
            identify_context(user)
            recorder.capture("seen")
        recorder.capture("seen_of", "somebody-by-name")
        return {}

    app = FastAPI()
    app.add_api_route("/", known)
    app.add_middleware(LoopinMiddleware, client=recorder, user_id=lambda scope: None)
    Browser(app).get("/", headers={"cookie": f"loopin_id={COOKIE}"})
    Browser(app).get("/")
    assert [event.event for event in counted(recorder)] == ["seen_of"] * 2
    recorder.kept.clear()
    Browser(app).get("/", headers={"x-late": "ann"})
    assert [(event.event, event.distinct_id) for event in counted(recorder)] == [
        ("seen", "ann"),
        ("seen_of", "somebody-by-name"),
        ("api_request", "ann"),
    ]


@pytest.mark.parametrize("header", ["x-posthog-distinct-id", "x-loopin-distinct-id"])
def test_a_known_user_whose_browser_sends_their_own_id_is_known(recorder: Recorder, header: str) -> None:
    """As posthog-js does after ``identify``."""

    async def seen(request: Request) -> Response:
        recorder.capture("seen")
        if "late" in request.headers:
            identify_context("17")
            recorder.capture("seen")
        return Response()

    app = Starlette(routes=[Route("/", seen)])
    Browser(LoopinMiddleware(app, client=recorder, user_id=lambda scope: "17")).get("/", {header: "17"})
    assert [event.distinct_id for event in counted(recorder)] == ["17", "17"]
    recorder.kept.clear()
    nobody = Browser(LoopinMiddleware(app, client=recorder))
    nobody.get("/", {header: "17"})
    assert (len(recorder.kept), counted(recorder)) == (2, [])
    recorder.kept.clear()
    nobody.get("/", {header: "17", "late": "1"})
    assert [event.event for event in recorder.kept] == ["seen", "seen", "api_request"]
    assert counted(recorder) == recorder.kept[1:]


def test_a_device_that_the_application_names_stays(recorder: Recorder) -> None:
    async def seen(request: Request) -> Response:
        recorder.capture("seen")
        tag("$device_id", "phone-1")
        recorder.capture("seen")
        return Response()

    app = Starlette(routes=[Route("/", seen)])
    Browser(LoopinMiddleware(app, client=recorder)).get("/", {"x-loopin-distinct-id": "device-1"})
    devices = [json.loads(bytes(event.properties)).get("$device_id") for event in recorder.kept[:2]]
    assert devices == ["device-1", "phone-1"]


def test_a_visitors_id_is_made_where_it_is_needed_only(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    def make(*told: Any) -> str:
        made.append(told)
        return "anon-1"

    monkeypatch.setattr(asgi, "daily_id", make)
    app = shop(recorder)
    Browser(app).get("/", {"x-user": "ann"})
    assert (recorder.only("api_request")["distinct_id"], made) == ("ann", [])
    Browser(app).get("/")
    assert (recorder.captured[-1]["distinct_id"], len(made)) == ("anon-1", 1)


def test_a_secret_gives_all_processes_the_same_ids(recorder: Recorder) -> None:
    for options in ({"secret": "s"}, {"secret": "s"}, {}, {}):
        Browser(shop(recorder, **options)).get("/")
    first, second, third, fourth = (one["distinct_id"] for one in recorder.of("api_request"))
    assert first == second
    assert len({first, third, fourth}) == 3


def test_users_may_be_found_otherwise(recorder: Recorder) -> None:
    app = shop(recorder, user_id=lambda scope: scope["query_string"].decode(), track_anonymous=False)
    Browser(app).get("/?17")
    Browser(app).get("/")
    assert recorder.only("api_request")["distinct_id"] == "17"


@pytest.mark.parametrize("user", ["user-1", None])
def test_the_user_is_asked_for_once_a_request(recorder: Recorder, user: str | None) -> None:
    asked: list[str] = []

    def user_id(scope: Any) -> str | None:
        asked.append(scope["path"])
        return user

    async def view(request: Request) -> Response:
        recorder.capture("seen")
        recorder.capture("seen", "somebody")
        return PlainTextResponse("")

    app = Starlette(
        routes=[Route("/", ticket), Route("/view", view)],
        middleware=[Middleware(LoopinMiddleware, client=recorder, user_id=user_id)],
    )
    Browser(app).get("/")
    assert asked == ["/"]
    Browser(app).get("/view")
    # Of a capture in a view who it is and whether it is anonymous are two questions.
    assert asked[1:] == ["/view"] * (2 + 1 + 1)


def test_who_signs_in_later_is_known_to_what_follows_the_answer(recorder: Recorder) -> None:
    """Whoever was asked for is asked for anew: a stream goes on long after its request has been captured."""
    users: list[str] = []

    async def view(request: Request) -> Response:
        async def each() -> AsyncIterator[str]:
            recorder.capture("before")
            users.append("user-1")
            recorder.capture("after")
            yield "one"

        return StreamingResponse(each())

    app = Starlette(
        routes=[Route("/", view)],
        middleware=[
            Middleware(LoopinMiddleware, client=recorder, user_id=lambda _: users[0] if users else None)
        ],
    )
    Browser(app).get("/", headers={"cookie": f"loopin_id={COOKIE}"})
    assert [(one.event, one.distinct_id) for one in recorder.kept] == [
        ("api_request", COOKIE),
        ("before", COOKIE),
        ("after", "user-1"),
    ]


def test_neither_ids_nor_secrets_of_a_path_leave(recorder: Recorder) -> None:
    own = {"referer": "http://testserver/tickets/9271?q=9271"}
    for path in ("/reset/c3ec-9271", "/tickets/9271", "/nowhere/9271/a@b.example"):
        Browser(shop(recorder)).get(path, headers=own)
    found = [one["properties"] for one in recorder.of("api_request")]
    assert "9271" not in str(found)
    assert [one["$current_url"] for one in found] == [
        "http://testserver/reset/{token}",
        "http://testserver/tickets/{ticket_id}",
        "http://testserver/(unmatched)",
    ]
    assert {one["$referrer"] for one in found} == {"http://testserver/"}


@pytest.mark.parametrize(
    ("mount", "path", "prefix"),
    [
        ("/tenants/{tenant}", "/tenants/acme-9271", "/tenants/{tenant}"),
        ("/floors/{floor:int}", "/floors/09271", "/floors/{floor}"),
        ("/trees/{tree:path}/-", "/trees/a/9271/-", "/trees/{tree}/-"),
    ],
)
@pytest.mark.parametrize("root_path", ["", "/behind/a/proxy"])
def test_ids_of_mounts_around_the_middleware_stay(
    recorder: Recorder, mount: str, path: str, prefix: str, root_path: str
) -> None:
    outer = Starlette(routes=[Mount(mount, shop(recorder))])
    visitor = Browser(outer, root_path=root_path)
    visitor.get(f"{root_path}{path}/halls/7/seats/8")
    visitor.get(f"{root_path}{path}/nowhere")
    found = [one["properties"] for one in recorder.of("api_request")]
    assert [one["$current_url"] for one in found] == [
        f"http://testserver{root_path}{prefix}/halls/{{hall}}/seats/{{seat}}",
        f"http://testserver{root_path}{prefix}/",  # the outer mount is all that was found
    ]
    assert [one["route"] for one in found] == ["/halls/{hall}/seats/{seat}", "/"]
    assert "9271" not in str(found)


def test_addresses_behind_proxies(recorder: Recorder) -> None:
    headers = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "203.0.113.77")]
    visitor = Browser(shop(recorder, trusted_proxies=1, ip="keep"))
    visitor.get("/", headers=httpx.Headers(headers))
    assert recorder.only("api_request")["properties"]["$ip"] == "203.0.113.77"


def test_excluded_paths_pass(recorder: Recorder) -> None:
    visitor = Browser(shop(recorder, excluded_paths=["/tickets", "/reset/x"]))
    assert visitor.get("/tickets/1").status_code == 200
    assert recorder.captured == []
    assert visitor.get("/reset/xyz").status_code == 200
    assert len(recorder.of("api_request")) == 1


async def test_streams_stay_streams_and_count_from_their_start(recorder: Recorder) -> None:
    told: list[str] = []
    going = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        told.append(f"started, {len(recorder.captured)} captured")
        await going.wait()
        await send({"type": "http.response.body", "body": b"x"})
        raise ConnectionError

    sent: list[str] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    scope = {"type": "http", "path": "/x", "method": "GET", "headers": []}
    answering: Any = LoopinMiddleware(app, client=recorder)(scope, receive, send)
    task = asyncio.ensure_future(answering)
    await asyncio.sleep(0)
    assert (told, sent) == (["started, 1 captured"], ["http.response.start"])
    going.set()
    with pytest.raises(ConnectionError):
        await task
    assert recorder.only("api_request")["properties"]["status"] == 200


async def receive() -> Any:
    await asyncio.Event().wait()


def test_a_streamed_body_arrives(recorder: Recorder) -> None:
    assert Browser(shop(recorder)).get("/lines").text == "one\ntwo\n"
    assert len(recorder.captured) == 1


async def test_a_client_that_leaves_before_the_answer(recorder: Recorder) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async def send(message: Any) -> None: ...

    scope = {"type": "http", "path": "/x", "method": "GET", "headers": []}
    answering: Any = LoopinMiddleware(app, client=recorder)(scope, receive, send)
    task = asyncio.ensure_future(answering)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert recorder.only("api_request")["properties"]["status"] == 499


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
async def test_other_protocols_pass_untouched(recorder: Recorder, kind: str) -> None:
    seen: list[Any] = []

    async def app(*given: Any) -> None:
        seen.extend(given)

    async def send(message: Any) -> None: ...

    scope = {"type": kind, "path": "/"}
    await LoopinMiddleware(app, client=recorder)(scope, receive, send)
    assert seen == [scope, receive, send]
    assert recorder.captured == []


def test_it_works_around_middleware_that_runs_the_application_in_a_task(recorder: Recorder) -> None:
    async def pass_on(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    app = fastapi(recorder)
    app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    app.add_middleware(LoopinMiddleware, client=recorder)
    Browser(app).get("/outer/s/inner/items/5", headers={"x-token": "17"})
    inner, outer = recorder.of("api_request")
    assert inner["properties"]["route"] == outer["properties"]["route"]
    assert inner["distinct_id"] == "user-17"


def test_a_fault_of_ours_changes_no_answer_and_is_logged_once(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.fault = RuntimeError("no room")
    visitor = Browser(shop(recorder))
    assert [visitor.get("/").status_code for _ in range(3)] == [200, 200, 200]
    assert caplog.text.count("Not captured.") == 1


def test_a_fault_in_user_id_changes_no_answer(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    def fail(scope: Any) -> str:
        raise LookupError

    assert Browser(shop(recorder, user_id=fail)).get("/").status_code == 200
    assert recorder.captured == []
    assert "LookupError" in caplog.text


async def test_a_scope_that_cannot_be_read_is_answered(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start"})

    async def send(message: Any) -> None:
        sent.append(message)

    await LoopinMiddleware(app, client=recorder)({"type": "http", "path": "/"}, receive, send)
    assert sent == [{"type": "http.response.start"}]
    assert recorder.captured == []
    assert "KeyError" in caplog.text
