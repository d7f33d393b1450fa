"""What the shop does in the background."""

from __future__ import annotations

import os

import loopin_producers
from tests.e2e.django_project.celery_app import app


@app.task  # type: ignore[untyped-decorator]
def remind(user: str) -> None:
    """Remind a user of their event."""
    loopin_producers.capture("reminder_sent", user, {"pid": os.getpid()})
