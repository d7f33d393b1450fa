"""What the shop sells."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models


class Ticket(models.Model):
    """A place at an event, paid for."""

    user: models.ForeignKey[Any, Any] = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True
    )
    event_id: models.IntegerField[Any, Any] = models.IntegerField()
    amount: models.DecimalField[Any, Any] = models.DecimalField(max_digits=8, decimal_places=2)
    currency: models.CharField[Any, Any] = models.CharField(max_length=3, default="EUR")
    community: models.CharField[Any, Any] = models.CharField(max_length=20, null=True)
    note: models.TextField[Any, Any] = models.TextField(default="")
