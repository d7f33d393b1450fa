"""The process's own client, for programs that do not want to pass one around.

>>> import loopin_producers as loopin
>>> loopin.configure(project="shop", disabled=True)
>>> uuid = loopin.capture("click", "user-17")
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

from loopin_producers.client import Loopin
from loopin_producers.typed_event import TypedEvent

_lock = threading.RLock()
_client: Loopin | None = None


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
    client = Loopin(*arguments, **options)
    with _lock:
        before, _client = _client, client
    if before is not None:
        before.shutdown()


def default_client() -> Loopin:
    """The default client; made from the environment where :func:`configure` was not called.

    Raises:
        InvalidEvent: LOOPIN_PROJECT is not set.
    """
    global _client
    client = _client
    if client is None:
        with _lock:
            client = _client = Loopin() if _client is None else _client
    return client


def capture(
    event: str | TypedEvent,
    distinct_id: str | None = None,
    properties: Mapping[str, Any] | None = None,
    **options: Any,
) -> str | None:
    """:meth:`Loopin.capture` of the default client."""
    return default_client().capture(event, distinct_id, properties, **options)


def identify(distinct_id: str, properties: Mapping[str, Any] | None = None, **options: Any) -> str | None:
    """:meth:`Loopin.identify` of the default client."""
    return default_client().identify(distinct_id, properties, **options)


def alias(previous_id: str, distinct_id: str, **options: Any) -> str | None:
    """:meth:`Loopin.alias` of the default client."""
    return default_client().alias(previous_id, distinct_id, **options)


def set(distinct_id: str | None, properties: Mapping[str, Any], **options: Any) -> str | None:
    """:meth:`Loopin.set` of the default client."""
    return default_client().set(distinct_id, properties, **options)


def set_once(distinct_id: str | None, properties: Mapping[str, Any], **options: Any) -> str | None:
    """:meth:`Loopin.set_once` of the default client."""
    return default_client().set_once(distinct_id, properties, **options)


def group_identify(
    group_type: str, group_key: str, properties: Mapping[str, Any] | None = None, **options: Any
) -> str | None:
    """:meth:`Loopin.group_identify` of the default client."""
    return default_client().group_identify(group_type, group_key, properties, **options)


def reset() -> None:
    """:meth:`Loopin.reset` of the default client."""
    default_client().reset()


def flush(timeout: float = 10.0) -> int:
    """:meth:`Loopin.flush` of the default client, which is not made for that."""
    return 0 if _client is None else _client.flush(timeout)


def shutdown(timeout: float = 10.0) -> int:
    """:meth:`Loopin.shutdown` of the default client; the next use makes another one."""
    global _client
    with _lock:
        client, _client = _client, None
    return 0 if client is None else client.shutdown(timeout)
