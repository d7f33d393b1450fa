"""The client that the integration publishes with, made of the setting ``LOOPIN``."""

from __future__ import annotations

import threading

from loopin_producers.client import Loopin
from loopin_producers.django.conf import config

_lock = threading.Lock()
_client: Loopin | None = None


def get_client() -> Loopin:
    """This process's client, made when it is first asked for; a fork of the process may go on with it.

    Raises:
        InvalidEvent: no usable project.
        InvalidConfiguration: options that the client refuses.
    """
    global _client
    if _client is None:
        with _lock:
            if _client is None:
                _client = Loopin(**config().client)
    return _client
