"""The exact limits of every field."""

from __future__ import annotations

from loopin_schemas.errors import InvalidEvent
from loopin_schemas.validation import check_fields
from loopin_streams.enrich.draft import Context, Dlq, Draft, Outcome


def validate(draft: Draft, _: Context) -> Outcome:
    """Check the event's fields and decode its properties, once."""
    try:
        draft.properties = check_fields(draft.event)
    except InvalidEvent as error:
        return Dlq(error.code, error.field, error.reason)
    return None
