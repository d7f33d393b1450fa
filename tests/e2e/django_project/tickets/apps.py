"""Says which events a ticket gives rise to."""

from __future__ import annotations

from django.apps import AppConfig

from loopin_producers.django import track


class TicketsConfig(AppConfig):
    """The app of tickets."""

    name = "tests.e2e.django_project.tickets"
    label = "tickets"

    def ready(self) -> None:
        """Called once per process."""
        from tests.e2e.django_project.tickets.models import Ticket

        track(
            Ticket,
            created="ticket_purchased",
            deleted="payment_refunded",
            properties=("event_id", "amount", "currency"),
            groups={"community": "community"},
        )
