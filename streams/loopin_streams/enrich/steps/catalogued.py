"""Catalogued events whose properties do not have the catalogue's types: a warning, never a loss."""

from __future__ import annotations

from loopin_schemas.catalogue import check_properties_types
from loopin_streams.enrich.draft import Context, Draft, Outcome


def check_catalogue(draft: Draft, _: Context) -> Outcome:
    """Note what the catalogue says of the event's properties; an unknown event is welcome as it is."""
    if warnings := check_properties_types(draft.event.event, draft.properties):
        draft.enriched.warnings = warnings
    return None
