"""Events of the events that hosts hold and users attend."""

from __future__ import annotations

from loopin_schemas.catalogue.event_type import Alias, EventType, Property

EVENT_ID = Property("event_id", "id", "The platform's event", required=True)
RATING = Property("rating", "number", "Stars given", "1-5", required=True, minimum=1, maximum=5)

PLATFORM_EVENTS: tuple[EventType, ...] = (
    EventType(
        "event_created",
        "A host created an event",
        (
            EVENT_ID,
            Property("host_id", "id", "User who holds the event", required=True),
            Property("category", "text", "Kind of event, such as music or food"),
            Property("price", "number", "Price of a ticket", "money", minimum=0),
            Property("capacity", "integer", "Most people who can attend", "people", minimum=0),
            Property("starts_at", "time", "When the event begins"),
            Property("city", "text", "City where the event takes place"),
        ),
    ),
    EventType("event_published", "An event became visible to users", (EVENT_ID,)),
    EventType(
        "event_cancelled",
        "An event was called off",
        (EVENT_ID, Property("by", "text", "Who called it off", choices=("host", "platform"))),
    ),
    EventType(
        "event_viewed",
        "A user opened an event's page",
        (EVENT_ID,),
        (
            Alias("view_event", "documents"),
            Alias("Product Viewed", "segment", (("product_id", "event_id"),)),
        ),
    ),
    EventType(
        "event_join_requested",
        "A user asked to join an event",
        (EVENT_ID,),
        (Alias("request_event", "documents"),),
    ),
    EventType(
        "event_joined",
        "A user became a participant of an event",
        (EVENT_ID, Property("starts_at", "time", "When the event begins; until then it is open who comes")),
    ),
    EventType("event_left", "A participant withdrew from an event", (EVENT_ID,)),
    EventType("event_attended", "A participant was present at an event", (EVENT_ID,)),
    EventType("event_sold_out", "An event has no places left", (EVENT_ID,)),
    EventType(
        "event_reviewed",
        "A participant reviewed an event",
        (EVENT_ID, RATING, Property("text", "text", "The review; feeds sentiment")),
        (
            Alias(
                "Product Reviewed", "segment",
                (("product_id", "event_id"), ("review_body", "text")),
            ),
        ),
    ),
)  # fmt: skip
