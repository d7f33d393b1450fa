"""Events of recommendations."""

from __future__ import annotations

from loopin_schemas.catalogue.event_type import EventType, Property

_ITEM = (
    Property("item_type", "text", "Kind of the recommended item", required=True),
    Property("item_id", "id", "The recommended item", required=True),
    Property("position", "integer", "Place in the list", "rank", minimum=0),
)

RECOMMENDATIONS: tuple[EventType, ...] = (
    EventType("recommendation_shown", "A recommendation was shown to a user", _ITEM),
    EventType("recommendation_clicked", "A user opened a recommendation", _ITEM),
)
