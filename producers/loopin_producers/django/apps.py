"""The installable app."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register

from loopin_producers.celery_workers import deliver_before_workers_exit
from loopin_producers.django.checks import check_loopin
from loopin_producers.django.client import flush


class LoopinConfig(AppConfig):
    """Connects what Django offers: signals, checks, and Celery's end of a worker where Celery is used."""

    name = "loopin_producers.django"
    label = "loopin"
    verbose_name = "Loopin analytics"

    def ready(self) -> None:
        """Called once per process."""
        # The user model is there only now.
        from loopin_producers.django.signals import connect

        connect()
        register(check_loopin)
        deliver_before_workers_exit(flush)
