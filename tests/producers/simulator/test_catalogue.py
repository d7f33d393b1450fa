"""Every event is one that the rest of the system knows, and passes its checks without a warning."""

from __future__ import annotations

from loopin_schemas.catalogue import CATALOGUE, by_name, check_properties_types
from loopin_schemas.validation import decode_event, validate

from .worlds import Made

IDENTITY = {"$identify"}


def test_no_event_is_refused_or_warned_of(made: Made) -> None:
    for body in made.bodies:
        event = decode_event(body)
        properties = validate(event)
        assert by_name(event.event) or event.event in IDENTITY, event.event
        assert check_properties_types(event.event, properties) == (), (event.event, properties)


def test_every_event_of_the_catalogue_comes_up(made: Made) -> None:
    # What clients send of themselves and pages' clicks apart.
    missing = {event.name for event in CATALOGUE} - {event["event"] for event in made.events}
    assert {name for name in missing if not name.startswith("$")} <= {"click", "payment_disputed"}


def test_no_private_text_leaves(made: Made) -> None:
    messages = list(made.named("message_sent"))
    assert len(messages) > 100
    for event in messages:
        assert set(event["properties"]) == {"recipient_id", "$sentiment", "$text_length"}
        assert -1 <= event["properties"]["$sentiment"] <= 1
