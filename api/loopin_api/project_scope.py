"""Whose events a query counts, as the settings say."""

from __future__ import annotations

from datetime import datetime

from loopin_api.settings import ApiSettings
from loopin_api.timespan import timezone
from loopin_sinks.metric_values.scope import Scope


def scope_now(settings: ApiSettings, project: str, now: datetime) -> Scope:
    """All of a project's events but those of bots, in the project's own zone."""
    return Scope(
        project=project,
        zone=timezone(settings.project_timezone),
        now=now,
        currency=settings.currency,
        rates={code: sorted(rates.items()) for code, rates in settings.exchange_rates.items()},
        internal=settings.internal_users,
    )
