"""Events between users, and their feedback."""

from __future__ import annotations

from loopin_schemas.catalogue.event_type import Alias, EventType, Property

_FOLLOWED = Property("followed_id", "id", "The user who is followed")

SOCIAL: tuple[EventType, ...] = (
    EventType("user_followed", "A user began to follow another", (_FOLLOWED,)),
    EventType("user_unfollowed", "A user stopped following another", (_FOLLOWED,)),
    EventType(
        "message_sent",
        "A user sent a private message; its words are scored, never stored",
        (
            Property("text", "text", "The message, of which only the next two stay"),
            Property("message", "text", "The message, under another name"),
            Property("$sentiment", "number", "How its words feel", "VADER", minimum=-1, maximum=1),
            Property("$text_length", "integer", "How long it is", "characters", minimum=0),
        ),
        (Alias("message", "documents"), Alias("Message Sent", "segment")),
        private=("text", "message"),
        wordless=True,
    ),
    EventType(
        "feedback_submitted",
        "A user gave feedback on the product",
        (
            Property("rating", "number", "Stars given", "1-5", minimum=1, maximum=5),
            Property("text", "text", "The feedback; feeds sentiment"),
        ),
    ),
)
