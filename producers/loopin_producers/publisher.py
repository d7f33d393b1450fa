"""The client that an integration publishes with when it was given none."""

from __future__ import annotations

import threading

from loopin_producers.client import Loopin

_lock = threading.Lock()
_default: Loopin | None = None


def publisher(client: Loopin | None) -> Loopin:
    """The client given, else this process's own, made of environment variables when first asked for.

    Raises:
        InvalidEvent: no usable project.
        InvalidConfiguration: options that the client refuses.
    """
    global _default
    if client is not None:
        return client
    with _lock:
        if _default is None:
            _default = Loopin()
        return _default
