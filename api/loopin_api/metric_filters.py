"""The filters that the metrics share: one value of a dimension each, and whom to count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query

from loopin_api.services import Services
from loopin_api.timespan import Timespan
from loopin_schemas.metrics import Dimension
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.metric_values.scope import scope_of as project_scope

_Value = Annotated[str | None, Query(max_length=200, description="Only events with this value.")]
_Persona = Annotated[
    str | None,
    Query(max_length=200, description="Only events of persons whose property `persona` is this one now."),
]


def filters(
    country: _Value = None,
    region: _Value = None,
    city: _Value = None,
    device: _Value = None,
    browser: _Value = None,
    os: _Value = None,
    platform: _Value = None,
    community: _Value = None,
    event: _Value = None,
    event_id: _Value = None,
    content_type: _Value = None,
    campaign: _Value = None,
    persona: _Persona = None,
) -> Mapping[Dimension, str]:
    """Values that the events must have, by dimension."""
    given: dict[Dimension, str | None] = {
        "country": country,
        "region": region,
        "city": city,
        "device": device,
        "browser": browser,
        "os": os,
        "platform": platform,
        "community": community,
        "event": event,
        "event_id": event_id,
        "content_type": content_type,
        "campaign": campaign,
        "persona": persona,
    }
    return {dimension: value for dimension, value in given.items() if value is not None}


Filters = Annotated[Mapping[Dimension, str], Depends(filters)]


def scope_of(
    use: Services, project: str, span: Timespan, where: Mapping[Dimension, str], bots: bool
) -> Scope:
    """Whose events, in which zone and currency."""
    return replace(project_scope(use.projects, project, use.clock()), zone=span.zone, where=where, bots=bots)
