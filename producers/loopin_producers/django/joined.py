"""Remembers in the browser that its anonymous id has become a user's: whoever comes next there is not them.

The id itself cannot be renewed from here, because loopin.js keeps it in localStorage as well. So a second
cookie says that it is taken. It holds three keyed hashes, of which nothing can be read back: of the id, of id
and user, of id and session.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Any, Final, Literal

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.encoding import force_bytes

from loopin_producers.django.conf import Config
from loopin_producers.visitor import anonymous_id, keyed_hash

Standing = Literal["free", "own", "taken"]
"""Of an anonymous id: no user's yet, the user's who signed in to this session, or somebody's."""

SECONDS: Final = 365 * 24 * 3600
"""As long as loopin.js keeps the id."""

_USER = "loopin.joined"
_RENEW = "loopin.renew"
"""Notes for the response, in ``META``: whose the id is now, and whether the browser is to forget it.

A wrapped request, such as REST framework's, shares it."""

SIGNED_OUT: Final = "loopin.signed_out"
"""Who has signed out in this request, there too."""

_DIGITS: Final = 32


def secret() -> bytes:
    """The program's secret, for keyed hashes."""
    return force_bytes(settings.SECRET_KEY)


def objects(request: HttpRequest) -> bool:
    """Whether the browser asks not to be tracked: Global Privacy Control, or Do Not Track."""
    return request.META.get("HTTP_SEC_GPC") == "1" or request.META.get("HTTP_DNT") == "1"


def cookie_name(config: Config) -> str:
    """Of the cookie that says so."""
    return f"{config.anonymous_cookie}_joined"


def standing(mark: str | None, anonymous: str, session_key: str | None) -> Standing:
    """What the browser's mark says of its anonymous id, in a request of this session."""
    if not mark or not same_text(mark[:_DIGITS], _hash(anonymous)):
        return "free"
    own = session_key and same_text(mark[2 * _DIGITS :], _hash(anonymous, "session", session_key))
    return "own" if own else "taken"


def at_sign_in(request: HttpRequest, config: Config, user: str) -> str | None:
    """The anonymous id that becomes the user's; None if there is none, or it is another user's."""
    anonymous = _anonymous_id(request, config)
    if anonymous is None or anonymous == user:
        return None
    if not _may_be(request, config, anonymous, user):
        request.META[_RENEW] = True
        return None
    request.META[_USER] = user
    return anonymous


def at_sign_out(request: HttpRequest, config: Config, user: str) -> None:
    """The browser's id stays the user's, also where it is younger than the sign-in."""
    request.META[SIGNED_OUT] = user
    anonymous = _anonymous_id(request, config)
    if anonymous is not None:
        request.META[_RENEW] = True
        if _may_be(request, config, anonymous, user):
            request.META[_USER] = user


def _anonymous_id(request: HttpRequest, config: Config) -> str | None:
    return None if objects(request) else anonymous_id(request.COOKIES.get(config.anonymous_cookie))


def _may_be(request: HttpRequest, config: Config, anonymous: str, user: str) -> bool:
    if (noted := request.META.get(_USER)) is not None:  # one signs out and another in, in one request
        return bool(noted == user)
    mark = request.COOKIES.get(cookie_name(config))
    if standing(mark, anonymous, None) == "free":
        return True
    return mark is not None and same_text(mark[_DIGITS : 2 * _DIGITS], _hash(anonymous, "user", user))


def keep_from_cache(request: HttpRequest) -> None:
    """Call it with each cookie: Django's cache must not give one visitor's to others."""
    request._cache_update_cache = False  # type: ignore[attr-defined]  # what UpdateCacheMiddleware asks


def is_noted(request: HttpRequest) -> bool:
    """Whether the response has something to say to the browser."""
    return _RENEW in request.META or _USER in request.META


def tell(request: HttpRequest, response: HttpResponseBase, config: Config) -> None:
    """Let the browser remember what was noted."""
    keep_from_cache(request)
    domain = settings.SESSION_COOKIE_DOMAIN
    anonymous, user = request.COOKIES[config.anonymous_cookie], request.META.get(_USER)
    if user is not None:
        session: Any = request.__dict__.get("session")
        response.set_cookie(
            cookie_name(config),
            _hash(anonymous)
            + _hash(anonymous, "user", user)
            + _hash(anonymous, "session", getattr(session, "session_key", None) or ""),
            max_age=SECONDS,
            domain=domain,
            secure=settings.SESSION_COOKIE_SECURE or request.is_secure(),
            httponly=True,
            samesite="Lax",
        )
    if _RENEW in request.META:
        response.delete_cookie(config.anonymous_cookie, domain=domain, samesite="Lax")


def same_text(said: str, known: str) -> bool:
    """Whether they are equal, in a time that does not tell how much of it is right."""
    return compare_digest(said.encode(errors="replace"), known.encode())


def _hash(*told: str) -> str:
    return keyed_hash(secret(), "\n".join(told), b"loopin-joined")
