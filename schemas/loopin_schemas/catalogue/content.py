"""Events of content: what users write, see, like and share."""

from __future__ import annotations

from loopin_schemas.catalogue.event_type import Alias, EventType, Property

_OBJECT = (
    Property("content_type", "text", "Kind of content, such as post or article", required=True),
    Property("object_id", "id", "The piece of content", required=True),
)
_CONTENT = (*_OBJECT, Property("author_id", "id", "User who made the content"))
_RESULT = (*_OBJECT, Property("position", "integer", "Place in the list of results", "rank", minimum=0))

CONTENT: tuple[EventType, ...] = (
    EventType("content_created", "A user published content", _CONTENT),
    EventType("content_viewed", "A user saw a piece of content", _CONTENT),
    EventType(
        "content_left",
        "A user turned away from a piece of content",
        (*_CONTENT, Property("duration_s", "number", "Time spent on it", "s", minimum=0)),
    ),
    EventType("content_liked", "A user liked a piece of content", _CONTENT),
    EventType("content_commented", "A user commented on a piece of content", _CONTENT),
    EventType(
        "content_shared",
        "A user shared a piece of content",
        (*_CONTENT, Property("share_message", "text", "Words that the user sent along")),
        (Alias("share", "documents"), Alias("Product Shared", "segment", (("product_id", "object_id"),))),
        private=("share_message",),
    ),
    EventType("search_result_shown", "A piece of content appeared among search results", _RESULT),
    EventType("search_result_clicked", "A user opened a search result", _RESULT),
)
