"""Remembers in the browser that its session is nobody's, for workers that have not looked into it.

A sign-in gives the session another key, so what is true of a key stays true. The cookie holds a keyed hash of
the session's key, and ends with the browser's session.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from loopin_producers.django import joined
from loopin_producers.django.conf import Config
from loopin_producers.django.joined import same_text, secret
from loopin_producers.visitor import keyed_hash


def cookie_name(config: Config) -> str:
    """Of the cookie that says so."""
    return f"{config.anonymous_cookie}_visitor"


def is_visitors(request: HttpRequest, config: Config, session_key: str | None) -> bool:
    """Whether the browser says, and only we can have told it, that nobody is signed in to this session."""
    said = request.COOKIES.get(cookie_name(config))
    return bool(said and session_key and same_text(said, _hash(session_key)))


def tell(request: HttpRequest, response: HttpResponseBase, config: Config, session_key: str) -> None:
    """Let the browser remember that nobody is signed in to the session, unless it does already."""
    if not is_visitors(request, config, session_key):
        joined.keep_from_cache(request)
        response.set_cookie(
            cookie_name(config),
            _hash(session_key),
            domain=settings.SESSION_COOKIE_DOMAIN,
            secure=settings.SESSION_COOKIE_SECURE or request.is_secure(),
            httponly=True,
            samesite="Lax",
        )


def forget(request: HttpRequest, response: HttpResponseBase, config: Config) -> None:
    """Let a browser that asks not to be tracked keep neither its id nor anything about it."""
    for name in (config.anonymous_cookie, joined.cookie_name(config), cookie_name(config)):
        if name in request.COOKIES:
            joined.keep_from_cache(request)
            response.delete_cookie(name, domain=settings.SESSION_COOKIE_DOMAIN, samesite="Lax")


def _hash(session_key: str) -> str:
    return keyed_hash(secret(), session_key, b"loopin-visitor")
