"""Events of communities."""

from __future__ import annotations

from loopin_schemas.catalogue.event_type import EventType, Property

_COMMUNITY = Property("community_id", "id", "The community", required=True)

COMMUNITIES: tuple[EventType, ...] = (
    EventType("community_viewed", "A user opened a community", (_COMMUNITY,)),
    EventType("community_joined", "A user became a member of a community", (_COMMUNITY,)),
    EventType("community_left", "A member left a community", (_COMMUNITY,)),
    EventType(
        "community_activity",
        "A user was active in a community",
        (
            _COMMUNITY,
            Property("activity_type", "text", "What the user did, such as view", required=True),
            Property("duration_s", "number", "How long it took", "s", minimum=0),
        ),
        acts_as="activity_type",
    ),
)
