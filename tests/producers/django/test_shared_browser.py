"""Several users at one browser, several workers: whose requests are whose, once the persons are joined."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client, RequestFactory, override_settings

from loopin_producers.django import identity
from loopin_producers.django.checks import check_loopin
from loopin_producers.django.conf import config
from loopin_producers.django.joined import cookie_name, standing
from loopin_producers.uuid7 import uuid7
from tests.producers.recorder import Recorder
from tests.streams.identity.plain import Joined, Plain

PASSWORD = "a password"
NAMES = ("ann", "bob", "cat")
MARK = "loopin_id_joined"
VISITOR = "loopin_id_visitor"


class Answered(NamedTuple):
    """A request: the id it was captured with, who was signed in, and the number of sign-ins before it."""

    distinct_id: str
    user: str | None
    turn: int


@dataclass
class Shop:
    """A browser with loopin.js, whose localStorage outlives its cookie, and a server of several workers."""

    recorder: Recorder
    browser: Client
    local: str = ""
    user: str | None = None
    turns: list[str] = field(default_factory=list)
    requests: list[Answered] = field(default_factory=list)
    refused: int = 0
    persons: Plain = field(default_factory=Plain)

    def open_page(self, path: str = "/stream/") -> str:
        self.browser.get(path)
        return self._noted()

    def write_cookie(self) -> None:
        """The script does so as a session begins."""
        self.local = self.local or uuid7.text()
        self.browser.cookies["loopin_id"] = self.local

    def reset(self) -> None:
        """``loopin.reset()``."""
        self.local = ""
        self.write_cookie()

    def sign_in(self, name: str) -> str:
        self.user = str(User.objects.get(username=name).pk)
        self.turns.append(self.user)
        assert self.browser.post("/sign-in/", {"name": name, "password": PASSWORD}).status_code == 204
        return self._noted()

    def sign_out(self) -> str:
        assert self.browser.post("/sign-out/").status_code == 204
        found, self.user = self._noted(), None
        return found

    def another_worker(self) -> None:
        identity._users.clear()
        identity._visitors.clear()

    def _noted(self) -> str:
        for event in self.recorder.kept:
            if event.event == "$identify":
                other = json.loads(bytes(event.properties)).get("$anon_distinct_id", event.distinct_id)
                link = Joined(str(event.uuid), "shop", event.distinct_id, other)
                self.refused += self.persons.ask(link, "identify") == "already_identified"
            elif event.event == "api_request":
                self.requests.append(Answered(event.distinct_id, self.user, len(self.turns)))
        self.recorder.kept.clear()
        return self.requests[-1].distinct_id

    def users_of(self, distinct_id: str) -> set[str]:
        """Who is the id's person in the end."""
        ids = self.persons.person("shop", distinct_id).ids
        return {user for user in self.turns if user in ids}


@pytest.fixture
def shop(recorder: Recorder, browser: Client, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(identity, "_users", {})
    monkeypatch.setattr(identity, "_visitors", {})
    for name in NAMES:
        User.objects.create_user(name, password=PASSWORD)
    recorder.kept.clear()
    return Shop(recorder, browser)


def test_the_second_user_at_a_browser_is_not_the_first(shop: Shop) -> None:
    shop.write_cookie()
    anonymous = shop.open_page()
    ann = shop.sign_in("ann")
    shop.another_worker()
    assert shop.open_page() == anonymous == shop.local, "joined to ann, and this is her session"
    assert shop.sign_out() == ann
    assert shop.browser.cookies["loopin_id"].value == ""
    shop.write_cookie()
    assert shop.open_page() != anonymous
    bob = shop.sign_in("bob")
    shop.another_worker()
    unknown = shop.open_page()
    assert unknown.startswith("session-")
    assert shop.users_of(anonymous) == {ann} != {bob}
    assert shop.users_of(unknown) == set()
    assert shop.refused == 0


def test_a_sign_in_over_another_users_session_links_nothing(shop: Shop) -> None:
    shop.write_cookie()
    ann, bob = shop.sign_in("ann"), shop.sign_in("bob")
    assert shop.browser.cookies["loopin_id"].value == "", "the browser is to forget it"
    assert (shop.users_of(shop.local), shop.refused) == ({ann}, 0)
    assert shop.open_page() == bob, "remembered under the session's new key"


def test_the_same_user_again_keeps_the_id(shop: Shop) -> None:
    shop.write_cookie()
    ann = shop.sign_in("ann")
    shop.sign_out()
    shop.write_cookie()
    assert shop.sign_in("ann") == ann
    shop.another_worker()
    assert shop.open_page() == shop.local
    assert (shop.users_of(shop.local), shop.refused) == ({ann}, 0)


def test_an_id_that_is_younger_than_the_sign_in_is_the_users_who_signs_out(shop: Shop) -> None:
    ann = shop.sign_in("ann")
    shop.write_cookie()
    shop.sign_out()
    shop.write_cookie()
    shop.sign_in("bob")
    assert shop.users_of(shop.local) == set()
    shop.write_cookie()
    shop.sign_in("ann")
    assert shop.users_of(shop.local) == {ann}


def test_a_new_id_after_reset_is_the_next_users(shop: Shop) -> None:
    shop.write_cookie()
    shop.sign_in("ann")
    shop.sign_out()
    shop.reset()
    assert shop.open_page() == shop.local
    bob = shop.sign_in("bob")
    assert (shop.users_of(shop.local), shop.refused) == ({bob}, 0)


@pytest.mark.parametrize("seed", range(10))
def test_a_visitor_who_never_signs_in_is_one(shop: Shop, seed: int) -> None:
    """With a session and a cookie: neither a look into the session nor another worker changes that."""
    dice = Random(seed)
    shop.write_cookie()
    steps = (
        shop.open_page,
        lambda: shop.open_page("/cart/"),
        lambda: shop.open_page("/context/?user=1"),
        shop.write_cookie,
        shop.another_worker,
    )
    for _ in range(12):
        dice.choice(steps)()
    shop.open_page("/cart/")
    assert settings.SESSION_COOKIE_NAME in shop.browser.cookies
    shop.another_worker()
    shop.open_page()
    assert {request.distinct_id for request in shop.requests} == {shop.local}


def test_what_is_known_of_nobodys_session_ends_with_a_sign_in(shop: Shop) -> None:
    """Its key is another's then, and the one before is nobody's to be believed."""
    shop.write_cookie()
    shop.open_page("/cart/")
    before = shop.browser.cookies[settings.SESSION_COOKIE_NAME].value
    assert shop.open_page() == shop.local
    ann = shop.sign_in("ann")
    assert shop.open_page() == ann
    shop.browser.cookies[settings.SESSION_COOKIE_NAME] = before
    del shop.browser.cookies[MARK]
    del shop.browser.cookies[VISITOR]
    assert shop.open_page().startswith("session-")


def test_what_a_visitors_browser_keeps_is_true_of_one_session_only(shop: Shop) -> None:
    shop.write_cookie()
    shop.open_page()
    assert VISITOR not in shop.browser.cookies, "no view has looked into a session"
    shop.open_page("/cart/")
    kept = shop.browser.cookies[VISITOR]
    assert (kept["httponly"], kept["samesite"], kept["secure"], kept["max-age"]) == (True, "Lax", "", "")
    assert shop.browser.cookies[settings.SESSION_COOKIE_NAME].value not in kept.value
    assert VISITOR not in shop.browser.get("/cart/").cookies, "told once"
    shop.sign_in("ann")
    shop.another_worker()
    shop.reset()
    assert shop.open_page().startswith("session-"), "the key is another since the sign-in"
    for forged in ("", "x", "é", kept.value[:-1]):
        shop.browser.cookies[VISITOR] = forged
        assert shop.open_page().startswith("session-")


def test_a_visitor_who_is_not_wanted_gets_no_cookie(shop: Shop) -> None:
    with override_settings(LOOPIN={"TRACK_ANONYMOUS": False}):
        browser = Client(headers={"user-agent": "Mozilla/5.0"})
        browser.get("/cart/")
    assert VISITOR not in browser.cookies
    assert settings.SESSION_COOKIE_NAME in browser.cookies


def test_a_user_in_the_sessions_users_place_makes_the_session_nobodys_for_none(shop: Shop) -> None:
    """As REST framework puts one there for a token: the session may be somebody's all the same."""
    from django.contrib.auth.models import AnonymousUser
    from django.http import HttpRequest, HttpResponse

    from loopin_producers.django.middleware import LoopinMiddleware

    def answer(request: HttpRequest) -> HttpResponse:
        request.user = AnonymousUser()
        return HttpResponse()

    ann = shop.sign_in("ann")
    shop.another_worker()
    request = RequestFactory().get("/x/")
    request.COOKIES.update({name: morsel.value for name, morsel in shop.browser.cookies.items()})
    LoopinMiddleware(answer)(request)
    shop.recorder.kept.clear()
    shop.write_cookie()
    assert shop.open_page().startswith("session-")
    assert shop.open_page("/context/?user=1") == ann


@pytest.mark.parametrize("seed", range(25))
def test_no_request_is_ever_counted_for_somebody_else(shop: Shop, seed: int) -> None:
    """Whatever happens in whatever order; who was not signed in may become who signs in next."""
    dice = Random(seed)
    steps = (
        shop.open_page,
        lambda: shop.open_page("/context/?user=1"),
        lambda: shop.open_page("/cart/"),
        shop.write_cookie,
        shop.write_cookie,
        shop.reset,
        shop.another_worker,
        lambda: shop.sign_in(dice.choice(NAMES)),
        lambda: shop.sign_in(dice.choice(NAMES)),
        lambda: shop.sign_out() if shop.user else None,
    )
    for _ in range(30):
        dice.choice(steps)()
    for request in shop.requests:
        found = shop.users_of(request.distinct_id)
        following = set(shop.turns[request.turn : request.turn + 1])
        assert found <= ({request.user} if request.user else following), (request, shop.turns)
    assert shop.refused == 0


def test_what_the_browser_keeps(shop: Shop) -> None:
    shop.sign_in("ann")
    shop.sign_out()
    assert MARK not in shop.browser.cookies, "where there is no anonymous id there is nothing to keep"
    shop.write_cookie()
    shop.sign_in("ann")
    kept = shop.browser.cookies[MARK]
    assert (kept["httponly"], kept["samesite"], kept["secure"], kept["path"]) == (True, "Lax", "", "/")
    key = shop.browser.cookies[settings.SESSION_COOKIE_NAME].value
    assert standing(kept.value, shop.local, key) == "own"
    assert standing(kept.value, shop.local, "another") == standing(kept.value, shop.local, None) == "taken"
    assert standing(kept.value, uuid7.text(), key) == "free"
    assert shop.local not in kept.value
    with override_settings(SECRET_KEY="another"):
        assert standing(kept.value, shop.local, key) == "free", "nobody else can make one"


@pytest.mark.parametrize("objection", [{"sec-gpc": "1"}, {"dnt": "1"}])
def test_a_browser_that_objects_keeps_and_links_nothing(shop: Shop, objection: dict[str, str]) -> None:
    shop.write_cookie()
    shop.sign_in("ann")
    shop.sign_out()
    del shop.browser.cookies[settings.SESSION_COOKIE_NAME]
    shop.open_page("/cart/")
    shop.write_cookie()
    answered = shop.browser.get("/stream/", headers=objection)
    assert {name: (kept.value, kept["max-age"]) for name, kept in answered.cookies.items()} == {
        "loopin_id": ("", 0),
        MARK: ("", 0),
        VISITOR: ("", 0),
    }
    assert shop._noted() != shop.local
    for name in ("loopin_id", MARK, VISITOR):
        del shop.browser.cookies[name]
    assert not shop.browser.get("/stream/", headers=objection).cookies
    for path in ("/sign-in/", "/sign-out/"):
        shop.browser.cookies["loopin_id"] = shop.local
        answered = shop.browser.post(path, {"name": "bob", "password": PASSWORD}, headers=objection)
        assert answered.status_code == 204
        assert MARK not in answered.cookies
    assert "$anon_distinct_id" not in str([bytes(event.properties) for event in shop.recorder.kept])
    shop.browser.cookies["loopin_id"] = shop.local
    unobjecting = shop.browser.get("/stream/", headers={"dnt": "0", "sec-gpc": "0"})
    assert "loopin_id" not in unobjecting.cookies


CACHED = [
    "django.middleware.cache.UpdateCacheMiddleware",
    *settings.MIDDLEWARE,
    "django.middleware.cache.FetchFromCacheMiddleware",
]


def test_djangos_cache_gives_no_visitors_cookies_to_others(shop: Shop) -> None:
    """In the order that Django's manual and the system check both want."""
    with override_settings(MIDDLEWARE=CACHED):
        assert not [message for message in check_loopin() if message.id == "loopin.W002"]
        cache.clear()
        shop.write_cookie()
        objecting = shop.browser.get("/reset/a/b/", headers={"dnt": "1"})
        assert objecting.cookies["loopin_id"].value == ""
        others = [Client(headers={"user-agent": "Mozilla/5.0"}).get("/reset/a/b/") for _ in range(2)]
        cache.clear()
    assert [dict(one.cookies) for one in others] == [{}, {}]
    assert [one.headers.get("age") for one in others] == [None, "0"], "what has no cookie is cached"


def test_a_site_whose_sessions_are_for_https_only_keeps_its_mark_so(shop: Shop) -> None:
    """Behind a proxy that ends TLS, without a word of it, requests look as if they came over HTTP."""
    shop.write_cookie()
    with override_settings(SESSION_COOKIE_SECURE=True):
        shop.sign_in("ann")
    assert shop.browser.cookies[MARK]["secure"] is True


def test_over_https_and_for_subdomains(shop: Shop) -> None:
    shop.write_cookie()
    with override_settings(SESSION_COOKIE_DOMAIN=".shop.example", LOOPIN={"ANONYMOUS_COOKIE": "visitor"}):
        secure = Client(headers={"user-agent": "Mozilla/5.0"})
        secure.cookies["visitor"] = shop.local
        secure.post("/sign-in/", {"name": "ann", "password": PASSWORD}, secure=True)
        kept = secure.cookies[cookie_name(config())]
        secure.cookies["visitor"] = shop.local
        secure.post("/sign-out/", secure=True)
    assert (kept.key, kept["secure"], kept["domain"]) == ("visitor_joined", True, ".shop.example")
    assert secure.cookies["visitor"]["domain"] == ".shop.example"


def test_a_disabled_client_sets_no_cookies(shop: Shop) -> None:
    shop.recorder.disabled = True
    shop.write_cookie()
    shop.browser.post("/sign-in/", {"name": "ann", "password": PASSWORD})
    assert MARK not in shop.browser.cookies
    assert shop.browser.cookies["loopin_id"].value == shop.local


def test_what_goes_by_way_of_a_wrapped_request_is_told_as_well(shop: Shop) -> None:
    """As REST framework's, which has the request's ``META`` and ``COOKIES``."""
    from django.contrib.auth.signals import user_logged_in
    from django.http import HttpRequest, HttpResponse

    from loopin_producers.django.middleware import LoopinMiddleware

    class Wrapped:
        def __init__(self, request: HttpRequest) -> None:
            self.META, self.COOKIES = request.META, request.COOKIES

    def answer(request: HttpRequest) -> HttpResponse:
        user = User.objects.get(username="ann")
        user_logged_in.send(User, request=Wrapped(request), user=user)
        return HttpResponse()

    request = RequestFactory().get("/x/")
    request.COOKIES["loopin_id"] = uuid7.text()
    answered = LoopinMiddleware(answer)(request)
    assert isinstance(answered, HttpResponse)
    assert MARK in answered.cookies
