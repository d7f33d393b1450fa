"""Celery's prefork workers end by ``os._exit``, past ``atexit``: what is queued is delivered before that."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

_UID = "loopin_producers.celery_workers"


def deliver_before_workers_exit(flush: Callable[[], object]) -> None:
    """Have ``flush`` called at the end of each worker process, if this program is Celery's; idempotent.

    A program that never imports Celery is none of its workers, so Celery is not imported for this.
    """
    if "celery" not in sys.modules:
        return
    from celery.signals import worker_process_shutdown

    def deliver(**_: Any) -> None:
        flush()

    worker_process_shutdown.connect(deliver, weak=False, dispatch_uid=_UID)
