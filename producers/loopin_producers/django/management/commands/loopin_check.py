"""``manage.py loopin_check [--send]``: are the settings right, who answers, does an event arrive?"""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.checks import ERROR
from django.core.management.base import BaseCommand, CommandError

from loopin_producers.client import Loopin
from loopin_producers.django.checks import check_loopin
from loopin_producers.django.client import get_client
from loopin_producers.django.conf import config
from loopin_producers.django.reach import Unreachable, api_url, reached
from loopin_producers.django.tracking import TRACKINGS
from loopin_producers.errors import LoopinError

_SECRET = re.compile(r"pass|secret|key|token|credential|jaas", re.IGNORECASE)
_HIDDEN = "********"

_FILTERS = frozenset({"before_send", "sample_rate", "opt_out"})
_PLAIN: dict[str, Any] = {
    **{"before_send": None, "sample_rate": 1.0, "opt_out": None, "on_drop": None, "on_delivery": None},
    **{"spool": False, "durable": False},
}
"""The client's options for one event of our own: it is neither left out, nor does it wait for others."""


class Command(BaseCommand):
    """Ends with 0 if all is well, with 1 and one sentence on what to do if not."""

    help = "Shows the Loopin settings, reaches the broker and, with --send, sends one event and waits for it."
    requires_system_checks: list[str] = []  # noqa: RUF012 - what they find is told here, with the rest

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``--send`` and ``--timeout``."""
        parser.add_argument("--send", action="store_true", help="send the event loopin_check")
        parser.add_argument("--timeout", type=float, default=10.0, help="seconds to wait for the broker")

    def handle(self, *args: Any, send: bool, timeout: float, **options: Any) -> None:
        """Tell what is found, line by line."""
        self._settings()
        client = get_client()
        if api_url(config().client) and (named := config().client.get("project")):
            self.stdout.write(f"Over HTTP the key decides which project events belong to, not {named!r}.")
        if client.disabled:
            self.stdout.write("Publishing is switched off (LOOPIN_ENABLED or ANALYTICS_ENABLED).")
            return
        self._reach(client, timeout)
        if send:
            self._send(timeout)

    def _settings(self) -> None:
        found = config()
        shown = {
            **hidden(found.client),
            "excluded_paths": [getattr(one, "pattern", one) for one in found.excluded_paths],
            "ip": found.ip,
            "trusted_proxies": found.trusted_proxies,
            "track_anonymous": found.track_anonymous,
            "anonymous_cookie": found.anonymous_cookie,
            "tracked_models": [tracking.model._meta.label for tracking in TRACKINGS],
        }
        for name, value in shown.items():
            self.stdout.write(f"{name}: {value}")
        messages = check_loopin()
        for message in messages:
            self.stdout.write(f"{message.id}: {message.msg}")
        if errors := [message for message in messages if message.level >= ERROR]:
            raise CommandError(str(errors[0].msg), returncode=1)

    def _reach(self, client: Loopin, timeout: float) -> None:
        try:
            self.stdout.write(reached(config().client, client.topic, timeout))
        except Unreachable as error:
            raise CommandError(str(error), returncode=1) from error

    def _send(self, timeout: float) -> None:
        errors: list[LoopinError] = []
        options = {**config().client, **_PLAIN, "on_error": errors.append}
        if left_out := sorted(config().client.keys() & _FILTERS):
            self.stdout.write(f"The event is sent without {', '.join(left_out)}, which may leave events out.")
        client = Loopin(**options)
        try:
            uuid = client.capture("loopin_check", "loopin-check", source="manual")
            client.flush(timeout)
            delivered, failed = client.stats().delivered, list(errors)
        finally:
            client.shutdown(0)
        if failed:
            which = " ".join(filter(None, ("loopin_check", uuid)))
            raise CommandError(f"The event {which} was refused. {failed[0].reason}", returncode=1)
        if not delivered:
            raise CommandError(
                f"The event {uuid} was not acknowledged within {timeout:g} s: look at the log of the "
                "broker or the API, and of the client (logger loopin_producers).",
                returncode=1,
            )
        self.stdout.write(f"The event loopin_check {uuid} was acknowledged.")


def hidden(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings to show: what its name calls a secret is hidden, at any depth."""
    return {
        name: hidden(value)
        if isinstance(value, Mapping)
        else _HIDDEN
        if _SECRET.search(str(name)) and value
        else value
        for name, value in values.items()
    }
