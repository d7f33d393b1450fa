"""The process's own client, for programs that do not want to pass one around.

>>> import loopin_producers as loopin
>>> loopin.configure(project="shop", disabled=True)
>>> uuid = loopin.capture("click", "user-17")
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from loopin_producers import context
from loopin_producers.client import Loopin
from loopin_producers.errors import LoopinError
from loopin_producers.guard import Guard
from loopin_producers.ids import Id
from loopin_producers.typed_event import TypedEvent
from loopin_schemas import InvalidEvent

_lock = threading.RLock()
_client: Loopin | None = None
_fault: InvalidEvent | LoopinError | None = None
"""Why there is no client: its settings cannot work."""

_guard = Guard("Nothing is captured.")


def _after_fork() -> None:
    # Another thread of the parent may have held it.
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


def configure(*arguments: Any, **options: Any) -> None:
    """Make the default client, with the arguments of :class:`Loopin`; the one before is shut down.

    Raises:
        InvalidEvent: no usable project.
        InvalidConfiguration: options that cannot work.
    """
    global _client
    client = _made(lambda: Loopin(*arguments, **options))
    with _lock:
        before, _client = _client, client
    if before is not None:
        before.shutdown()


def default_client() -> Loopin:
    """The default client; made from the environment where :func:`configure` was not called.

    Raises:
        InvalidEvent: LOOPIN_PROJECT is not set, or ``configure`` has raised this.
        InvalidConfiguration: the same of options that cannot work.
    """
    global _client
    client = _client
    if client is None:
        with _lock:
            if _client is None:
                if _fault is not None:
                    raise _fresh(_fault)
                _client = _made(Loopin)
            client = _client
    return client


def _made(make: Callable[[], Loopin]) -> Loopin:
    """A client; why there is none is remembered, so that captures need not try again and again."""
    global _fault
    try:
        client = make()
    except (InvalidEvent, LoopinError) as error:
        _fault = error
        raise
    _fault = None
    return client


def _fresh(fault: InvalidEvent | LoopinError) -> InvalidEvent | LoopinError:
    """One of its own for each caller: threads that raise the same one write into its traceback."""
    copied = type(fault).__new__(type(fault), *fault.args)
    vars(copied).update(vars(fault))
    return copied


def _usable() -> Loopin | None:
    """The default client; None, which is logged once, where its settings cannot work."""
    try:
        return default_client()
    except (InvalidEvent, LoopinError) as error:
        _guard.note(error.with_traceback(None))
        return None


def capture(
    event: str | TypedEvent,
    distinct_id: Id | None = None,
    properties: Mapping[str, Any] | None = None,
    **options: Any,
) -> str | None:
    """:meth:`Loopin.capture` of the default client.

    Without usable settings nothing is captured; the first of this and the other functions that is called
    says so in the log.
    """
    client = _usable()
    return None if client is None else client.capture(event, distinct_id, properties, **options)


def identify(
    distinct_id: Id | None, properties: Mapping[str, Any] | None = None, **options: Any
) -> str | None:
    """:meth:`Loopin.identify` of the default client."""
    client = _usable()
    return None if client is None else client.identify(distinct_id, properties, **options)


def alias(previous_id: Id | None, distinct_id: Id | None, **options: Any) -> str | None:
    """:meth:`Loopin.alias` of the default client."""
    client = _usable()
    return None if client is None else client.alias(previous_id, distinct_id, **options)


def set(distinct_id: Id | None, properties: Mapping[str, Any], **options: Any) -> str | None:
    """:meth:`Loopin.set` of the default client."""
    client = _usable()
    return None if client is None else client.set(distinct_id, properties, **options)


def set_once(distinct_id: Id | None, properties: Mapping[str, Any], **options: Any) -> str | None:
    """:meth:`Loopin.set_once` of the default client."""
    client = _usable()
    return None if client is None else client.set_once(distinct_id, properties, **options)


def group_identify(
    group_type: str, group_key: Id | None, properties: Mapping[str, Any] | None = None, **options: Any
) -> str | None:
    """:meth:`Loopin.group_identify` of the default client."""
    client = _usable()
    return None if client is None else client.group_identify(group_type, group_key, properties, **options)


def reset() -> None:
    """Forget the current context's user, session and tags."""
    context.reset_context()


def flush(timeout: float = 10.0) -> int:
    """:meth:`Loopin.flush` of the default client, which is not made for that."""
    return 0 if _client is None else _client.flush(timeout)


def shutdown(timeout: float = 10.0) -> int:
    """:meth:`Loopin.shutdown` of the default client; the next use makes another one."""
    global _client, _fault
    with _lock:
        client, _client = _client, None
        _fault = None
    return 0 if client is None else client.shutdown(timeout)
