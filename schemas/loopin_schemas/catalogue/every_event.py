"""Properties that any event may carry."""

from __future__ import annotations

from loopin_schemas.catalogue.event_type import Property

EVERY_EVENT: tuple[Property, ...] = (
    Property("event_type", "text", "Classification of the event, such as page_view, api_call or conversion"),
    Property("action", "text", "What the user did, such as click"),
    Property("revenue_impact", "number", "Money that the event brought or cost", "money"),
    Property("url", "text", "Address of the page or endpoint"),
    Property("referrer", "text", "Address that the user came from"),
    Property("user_agent", "text", "The client's User-Agent header"),
    Property("content_type", "text", "Kind of object that the event is about"),
    Property("object_id", "id", "Object that the event is about"),
    Property("campaign_source", "text", "Where a campaign's visitor came from"),
    Property("campaign_medium", "text", "By which medium a campaign's visitor came"),
    Property("device_type", "text", "Kind of device, such as mobile, tablet or desktop"),
    Property("browser", "text", "Browser's name"),
    Property("os", "text", "Operating system's name"),
    Property("country", "text", "Country of the user"),
    Property("city", "text", "City of the user"),
)
"""Document A's ``event_type``, ``action`` and ``revenue_impact``, and 002's context of an event."""
