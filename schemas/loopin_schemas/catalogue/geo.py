"""Events of communities that are restricted to places."""

from __future__ import annotations

from loopin_schemas.catalogue.event_type import EventType, Property

GEO: tuple[EventType, ...] = (
    EventType(
        "geo_access_checked",
        "A user's place was checked against a community's restriction",
        (
            Property("community_id", "id", "The community", required=True),
            Property("access_result", "text", "The decision", required=True, choices=("allowed", "blocked")),
            Property("reason", "text", "Which rule decided", choices=("country", "city", "region")),
            Property("is_traveler", "boolean", "Whether the user is away from home"),
            Property("bypass", "boolean", "Whether the user got around the restriction"),
            Property("country", "text", "Country of the attempt"),
            Property("region", "text", "Region of the attempt"),
            Property("city", "text", "City of the attempt"),
        ),
    ),
)
