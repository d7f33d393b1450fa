"""The installable app."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register

from loopin_producers.django.checks import check_loopin
from loopin_producers.django.client import get_client
from loopin_producers.guard import Guard

_guard = Guard("Nothing will be captured.")


class LoopinConfig(AppConfig):
    """Connects signals and system checks, and makes the default client."""

    name = "loopin_producers.django"
    label = "loopin"
    verbose_name = "Loopin analytics"

    def ready(self) -> None:
        """Called once per process."""
        # The user model is there only now.
        from loopin_producers.django.signals import connect

        with _guard:
            get_client()
        connect()
        register(check_loopin)
