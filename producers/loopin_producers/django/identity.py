"""Who a Django request is from, as far as that is known already: nothing here asks the database.

Touching ``request.user`` loads it, and touching ``request.session`` adds ``Vary: Cookie`` to the response, so
what others have loaded is looked up in the objects themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property, lru_cache, partial
from time import monotonic, time
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import LazyObject, empty

from loopin_producers.client_address import client_address
from loopin_producers.django.conf import Config
from loopin_producers.django.joined import SIGNED_OUT, cookie_name, objects, secret, standing
from loopin_producers.django.visiting import is_visitors
from loopin_producers.visitor import Visitor, daily_id, session_hash, visitor

SESSIONS: Final = 10_000
"""Sessions whose user a process remembers, some 3 MB."""

NOBODY: Final = ""
"""In a user's place: nobody is signed in to the session."""

REMEMBERED_S: Final = 600
"""How long: another process may have ended the session."""


def header(meta: Mapping[str, Any], name: str) -> str | None:
    """A header by its lower-case name, from ``request.META``; ``request.headers`` would copy them all."""
    value = meta.get(_variable(name))
    return value if isinstance(value, str) else None


@lru_cache(64)
def _variable(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"


class Sender:
    """The sender of one request.

    Attributes:
        said: what headers and cookie say.
        session_key_hash: hash of the key that the session had when the request came, or None.
    """

    def __init__(self, request: HttpRequest, config: Config) -> None:
        self._request = request
        self._config = config
        cookies = request.COOKIES
        anonymous = None if objects(request) else cookies.get(config.anonymous_cookie)
        self.said: Visitor = visitor(partial(header, request.META), anonymous)
        self._session_key = key = cookies.get(settings.SESSION_COOKIE_NAME)
        self.session_key_hash = session_hash(key) if key else None
        self._free_id, self._own_id = self.said.cookie, None
        if self._free_id and (mark := cookies.get(cookie_name(config))):
            whose = standing(mark, self._free_id, key)
            if whose != "free":
                self._free_id, self._own_id = None, self._free_id if whose == "own" else None

    @property
    def anonymous_id(self) -> str | None:
        """Who it is while no user is known; None where such requests are not wanted.

        The browser's id only if it is nobody's yet, and nobody is signed in: it would become the next user's,
        with all that the user of a session did whom nobody has asked for.
        """
        if not self._config.track_anonymous:
            return None
        if claimed := self.said.claimed:
            return claimed
        if self._free_id and self._is_nobodys:
            return self._free_id
        return self._nameless_id

    @property
    def _is_nobodys(self) -> bool:
        """Whether nobody is signed in, as this request or another of its session has found out."""
        key = self.session_key_hash
        return (
            key is None
            or _is_nobodys(self._request)
            or _remembered(key) == NOBODY
            or is_visitors(self._request, self._config, self._session_key)
        )

    def device_id(self) -> str | None:
        """The anonymous id if nothing more is known; None for a known user."""
        return None if self.known_id() else self.anonymous_id

    def distinct_id(self) -> str | None:
        """The user if one is signed in and known, else an anonymous id; None where those are not wanted.

        A user is known as well who was when another request of the same session came to this process, and by
        the anonymous id that became theirs as this session began.
        """
        return self.known_id() or self.anonymous_id

    def known_id(self) -> str | None:
        """The user as the server knows them, whatever the client says; None for an anonymous request."""
        user, key = user_id(self._request), self.session_key_hash
        if user is not None:
            self._remember_session(user)
            return user
        if not _is_nobodys(self._request):
            return None if key is None else _remembered(key) or self._own_id
        if key is not None:
            _users.pop(key, None)
        self._remember_that_it_is_nobodys()
        return None if key is None else self._request.META.get(SIGNED_OUT)

    def visitors_session(self) -> str | None:
        """The key of the session where it was looked into and is nobody's: once a key's, this stays true.

        Not of one that has just ended, nor of a user whom somebody has put in the session's user's place.
        """
        loaded = _loaded_session(self._request)
        if loaded is None or "_auth_user_id" in loaded or SIGNED_OUT in self._request.META:
            return None
        return None if user_id(self._request) else self._current_key()

    def _remember_that_it_is_nobodys(self) -> None:
        if key := self.visitors_session():
            _remember(self._hash(key), NOBODY)

    def _current_key(self) -> str | None:
        """The key that the session has by now."""
        return getattr(self._request.__dict__.get("session"), "session_key", None)

    def _hash(self, session_key: str) -> str:
        known = self.session_key_hash
        return known if known and session_key == self._session_key else session_hash(session_key)

    def _remember_session(self, user: str) -> None:
        key = self._current_key()
        old, current = self.session_key_hash, self._hash(key) if key else None
        if old and current != old:
            # A sign-in has given the session another key: whoever else has the old one is not this user.
            _users.pop(old, None)
        if current and _session_user_id(self._request) == user:  # not a token's
            _remember(current, user)

    @cached_property
    def _nameless_id(self) -> str:
        if self.session_key_hash:
            return f"session-{self.session_key_hash}"
        meta = self._request.META
        address = client_address(
            meta.get("REMOTE_ADDR"), header(meta, "x-forwarded-for"), self._config.trusted_proxies
        )
        return daily_id(secret(), time(), address, header(meta, "user-agent"))


_users: dict[str, tuple[str, float]] = {}
"""By the hash of a session's key: whose it is (or ``NOBODY``), and until when (``monotonic``)."""


def _remember(session: str, user: str) -> None:
    if session not in _users and len(_users) >= SESSIONS:
        with suppress(KeyError, RuntimeError, StopIteration):  # other threads do the same
            del _users[next(iter(_users))]
    _users[session] = user, monotonic() + REMEMBERED_S


def _remembered(session: str) -> str | None:
    user, until = _users.get(session, (None, 0.0))
    return user if monotonic() < until else None


def user_id(request: HttpRequest) -> str | None:
    """Primary key of the user, if one is signed in and somebody has asked for them already."""
    user = _loaded_user(request)
    return _session_user_id(request) if user is None else primary_key(user)


def primary_key(user: Any) -> str | None:
    """A signed-in user's, as text; None for anybody else."""
    key = getattr(user, "pk", None) if getattr(user, "is_authenticated", False) else None
    return None if key is None else str(key)


def _loaded_user(request: HttpRequest) -> Any:
    known = request.__dict__
    user = known.get("user")
    if isinstance(user, LazyObject):
        user = user._wrapped
    if user is None or user is empty:
        # The second is what `await request.auser()` keeps.
        return known.get("_cached_user") or known.get("_acached_user")
    return user


def _is_nobodys(request: HttpRequest) -> bool:
    """Whether it has turned out that nobody is signed in (any more), where :func:`user_id` is None."""
    return _loaded_user(request) is not None or _loaded_session(request) is not None


def _session_user_id(request: HttpRequest) -> str | None:
    loaded = _loaded_session(request)
    return None if loaded is None else loaded.get("_auth_user_id")


def _loaded_session(request: HttpRequest) -> dict[str, Any] | None:
    loaded = getattr(request.__dict__.get("session"), "__dict__", {}).get("_session_cache")
    return loaded if isinstance(loaded, dict) else None
