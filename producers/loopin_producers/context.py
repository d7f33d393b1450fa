"""Who acts and in which session, for all captures within a block: PostHog's contexts.

>>> from loopin_producers.context import identify_context, new_context, tag
>>> with new_context():
...     identify_context("user-17")
...     tag("plan", "gold")
...     # every capture in here, in functions called from here too, is user-17's and carries the tag

A context follows the program's flow as ``contextvars`` do: into coroutines, tasks and ``asyncio.to_thread``,
not into threads that are started by hand. What a task or a called function sets is seen by whoever opened the
context.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from typing import Any, Self, cast

from loopin_producers.ids import Id, id_text


class Scope:
    """What one ``with new_context():`` block knows; what it does not know is its parent's."""

    __slots__ = ("ask", "distinct_id", "parent", "session_id", "tags")

    def __init__(self, parent: Scope | None) -> None:
        self.parent = parent
        self.distinct_id: str | None = None
        self.ask: Callable[[], Id | None] | None = None
        self.session_id: str | None = None
        self.tags: dict[str, Any] = {}


_current: ContextVar[Scope | None] = ContextVar("loopin_context", default=None)

current_scope = _current.get
"""The innermost block around the caller; None where nothing has to be asked of a context."""


class new_context(ContextDecorator):  # noqa: N801 (used as a function; a generator costs each request more)
    """A block of its own identity, session and tags; those of the block around it hold unless ``fresh``."""

    def __init__(self, *, fresh: bool = False) -> None:
        self._fresh = fresh
        self._token: Token[Scope | None] | None = None

    def _recreate_cm(self) -> Self:
        # As a decorator it opens a block of its own for each call.
        return type(self)(fresh=self._fresh)

    def __enter__(self) -> None:
        self._token = _current.set(Scope(None if self._fresh else _current.get()))

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _current.reset(self._token)


def identify_context(distinct_id: Id) -> None:
    """Captures in this context that name nobody are this user's. Does nothing outside a context."""
    if (scope := _current.get()) is not None:
        scope.distinct_id = id_text(distinct_id)


def identify_context_by(ask: Callable[[], Id | None]) -> None:
    """Captures in this context ask for their user, until ``identify_context`` names one.

    For a context that is opened before anybody knows the user, as a request's is. ``ask`` must be cheap, and
    must not raise. Does nothing outside a context.
    """
    if (scope := _current.get()) is not None:
        scope.ask = ask


def set_context_session(session_id: Id) -> None:
    """Captures in this context belong to this session. Does nothing outside a context."""
    if (scope := _current.get()) is not None:
        scope.session_id = id_text(session_id)


def tag(name: str, value: Any) -> None:
    """Captures in this context carry this property, unless they name it themselves."""
    if (scope := _current.get()) is not None:
        scope.tags[name] = value


def tag_all(tags: Mapping[str, Any]) -> None:
    """``tag`` for several."""
    if (scope := _current.get()) is not None:
        scope.tags.update(tags)


def reset_context() -> None:
    """Forget identity, session and tags of this context, and those it has from the blocks around it."""
    if (scope := _current.get()) is not None:
        scope.parent = scope.distinct_id = scope.ask = scope.session_id = None
        scope.tags = {}


def context_distinct_id() -> str | None:
    """The user of the current context, or None."""
    scope = _current.get()
    while scope is not None:
        if scope.distinct_id is not None:
            return scope.distinct_id
        if scope.ask is not None and (found := scope.ask()) is not None:
            return cast(str, id_text(found))
        scope = scope.parent
    return None


def context_names_user() -> bool:
    """Whether ``identify_context`` has said who the context's user is; what is asked for tells it itself."""
    scope = _current.get()
    while scope is not None:
        if scope.distinct_id is not None:
            return True
        scope = None if scope.ask is not None else scope.parent
    return False


def context_session_id() -> str | None:
    """The session of the current context, or None."""
    scope = _current.get()
    while scope is not None:
        if scope.session_id is not None:
            return scope.session_id
        scope = scope.parent
    return None


def context_tags() -> dict[str, Any]:
    """The tags of the current context, a copy; the innermost block's win."""
    scope = _current.get()
    found = {} if scope is None else scope.tags.copy()
    while scope is not None and (scope := scope.parent) is not None:
        found = {**scope.tags, **found}
    return found


def _forget() -> None:
    _current.set(None)


# A request that forks a worker must not lend it its user.
os.register_at_fork(after_in_child=_forget)
