"""Django's system checks of the setting ``LOOPIN``, the middleware's place and the tracked models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from loopin_producers.django.client import get_client
from loopin_producers.django.conf import MIDDLEWARE, faults
from loopin_producers.django.tracking import TRACKINGS
from loopin_producers.errors import LoopinError
from loopin_schemas import InvalidEvent

MEASURED = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
)
"""Django's middleware that has to come after ours: it answers requests by itself, or takes their time."""

FIRST = (
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.cache.UpdateCacheMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
)
"""Middleware whose own manual puts it at the front."""


def check_loopin(**_: Any) -> list[CheckMessage]:
    """Everything that would keep events from being captured, as far as it can be seen from here."""
    return [*_settings(), *_middleware(), *_tracking()]


def _settings() -> Iterator[CheckMessage]:
    found = list(faults(getattr(settings, "LOOPIN", {})))
    yield from (Error(fault, id="loopin.E001") for fault in found)
    if not found:
        try:
            get_client()
        except (InvalidEvent, LoopinError) as error:
            yield Error(f"{error.reason} The setting LOOPIN holds the client's arguments.", id="loopin.E002")


def _middleware() -> Iterator[CheckMessage]:
    names = list(settings.MIDDLEWARE)
    if MIDDLEWARE not in names:
        yield Warning(f"Put {MIDDLEWARE!r} first into MIDDLEWARE to capture requests.", id="loopin.W001")
    elif names.count(MIDDLEWARE) > 1:
        yield Error(
            f"Leave {MIDDLEWARE!r} in MIDDLEWARE once: each captures every request.", id="loopin.E003"
        )
    elif missed := _missed(names):
        yield Warning(
            f"Move {MIDDLEWARE!r} to the front of MIDDLEWARE: it stands behind {', '.join(missed)}, so it "
            "captures no request that those answer themselves (redirects, refusals), leaves their time out, "
            "and does not see the key that a sign-in gives to a session.",
            id="loopin.W002",
        )


def _missed(names: list[str]) -> list[str]:
    """What stands before ours and belongs after it; all that may, where ours is the last."""
    before = names[: names.index(MIDDLEWARE)]
    last = len(before) == len(names) - 1
    return [name.rpartition(".")[2] for name in before if name in MEASURED or (last and name not in FIRST)]


def _tracking() -> Iterator[CheckMessage]:
    for tracking in TRACKINGS:
        for fault in tracking.faults():
            yield Error(fault, obj=tracking.model, id="loopin.E004")
