"""Who a Django request is from, as far as that is known already: nothing here asks the database.

Touching ``request.user`` loads it, and touching ``request.session`` adds ``Vary: Cookie`` to the response, so
what others have loaded is looked up in the objects themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property, lru_cache, partial
from time import monotonic, time
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import LazyObject, empty

from loopin_producers.client_address import client_address
from loopin_producers.django.conf import Config
from loopin_producers.django.joined import SIGNED_OUT, cookie_name, objects, secret, standing
from loopin_producers.django.visiting import is_visitors
from loopin_producers.visitor import Visitor, daily_id, session_hash, visitor
from loopin_producers.who import Who

SESSIONS: Final = 10_000
"""Sessions whose user a process remembers, some 3 MB, and as many that are nobody's."""

REMEMBERED_S: Final = 600
"""How long: another process may have ended the session."""


_NOTHING: Final[Mapping[str, Any]] = {}


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
            or _looked_up(self._request).tells
            or _remembered(_visitors, key) is not None
            or is_visitors(self._request, self._config, self._session_key)
        )

    def who(self) -> Who:
        """The user if one is signed in and known, else an anonymous id.

        A user is known as well who was when another request of the same session came to this process, and by
        the anonymous id that became theirs as this session began.
        """
        user = self._known_id()
        return Who(user, None if user else self.anonymous_id)

    def _known_id(self) -> str | None:
        found, key = _looked_up(self._request), self.session_key_hash
        user = found.user_id
        if user is not None:
            self._remember_session(user, found)
            return user
        if not found.tells:
            return None if key is None else _remembered(_users, key) or self._own_id
        if key is not None:
            _forget(key)
        if visitors := self._visitors_session(found):
            _remember(self._hash(visitors), None)
        return None if key is None else self._request.META.get(SIGNED_OUT)

    def visitors_session(self) -> str | None:
        """The key of the session where it was looked into and is nobody's: once a key's, this stays true.

        Not of one that has just ended, nor of a user whom somebody has put in the session's user's place.
        """
        return self._visitors_session(_looked_up(self._request))

    def _visitors_session(self, found: _LookedUp) -> str | None:
        if found.session is None or "_auth_user_id" in found.session or SIGNED_OUT in self._request.META:
            return None
        return None if found.user_id else self._current_key()

    def _current_key(self) -> str | None:
        """The key that the session has by now."""
        return getattr(self._request.__dict__.get("session"), "session_key", None)

    def _hash(self, session_key: str) -> str:
        known = self.session_key_hash
        return known if known and session_key == self._session_key else session_hash(session_key)

    def _remember_session(self, user: str, found: _LookedUp) -> None:
        key = self._current_key()
        old, current = self.session_key_hash, self._hash(key) if key else None
        if old and current != old:
            # A sign-in has given the session another key: whoever else has the old one is not this user.
            _forget(old)
        if current and found.session_user_id == user:  # not a token's
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


_Memory = dict[str, tuple[str, float]]
"""By the hash of a session's key: whose it is, and until when that is remembered (``monotonic``)."""

_users: _Memory = {}
_visitors: _Memory = {}
"""Sessions that nobody is signed in to: apart, because there are many, and they must push no user out."""


def _remember(session: str, user: str | None) -> None:
    """Whose the session is; None: nobody is signed in to it."""
    place, other = (_visitors, _users) if user is None else (_users, _visitors)
    other.pop(session, None)
    if session not in place and len(place) >= SESSIONS:
        with suppress(KeyError, RuntimeError, StopIteration):  # other threads do the same
            del place[next(iter(place))]
    place[session] = user or "", monotonic() + REMEMBERED_S


def _forget(session: str) -> None:
    _users.pop(session, None)
    _visitors.pop(session, None)


def _remembered(place: _Memory, session: str) -> str | None:
    user, until = place.get(session, (None, 0.0))
    return user if monotonic() < until else None


def primary_key(user: Any) -> str | None:
    """A signed-in user's, as text; None for anybody else."""
    key = getattr(user, "pk", None) if getattr(user, "is_authenticated", False) else None
    return None if key is None else str(key)


class _LookedUp(NamedTuple):
    """What somebody has asked for already: the request's user, and what its session holds; else None."""

    user: Any
    session: dict[str, Any] | None

    @property
    def tells(self) -> bool:
        """Whether who is signed in has turned out: where ``user_id`` is None, nobody is (any more)."""
        return self.user is not None or self.session is not None

    @property
    def user_id(self) -> str | None:
        """Primary key of the user, if one is signed in."""
        return self.session_user_id if self.user is None else primary_key(self.user)

    @property
    def session_user_id(self) -> str | None:
        """Of whom the session is."""
        return None if self.session is None else self.session.get("_auth_user_id")


def _looked_up(request: HttpRequest) -> _LookedUp:
    known = request.__dict__
    user = known.get("user")
    if isinstance(user, LazyObject):
        user = user._wrapped
    if user is None or user is empty:
        # The second is what `await request.auser()` keeps.
        user = known.get("_cached_user") or known.get("_acached_user")
    loaded = getattr(known.get("session"), "__dict__", _NOTHING).get("_session_cache")
    return _LookedUp(user, loaded if isinstance(loaded, dict) else None)
