"""The default client, made of the setting ``LOOPIN``: views capture with ``loopin_producers.capture``."""

from __future__ import annotations

import threading

from loopin_producers.client import Loopin
from loopin_producers.default import configure, default_client
from loopin_producers.django.conf import config

_lock = threading.Lock()
_configured = False


def get_client() -> Loopin:
    """The default client, which the first call makes; a fork of the process may go on with it.

    Raises:
        InvalidEvent: no usable project.
        InvalidConfiguration: options that the client refuses.
    """
    global _configured
    if not _configured:
        with _lock:
            if not _configured:
                configure(**config().client)
                _configured = True
    return default_client()
