"""What an event says of identity: which other distinct_id is the same person's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from loopin_schemas import topics
from loopin_schemas.codec import decode_object, encode
from loopin_schemas.errors import InvalidEvent
from loopin_schemas.identity import LINKING, LinkRequest
from loopin_schemas.validation import check_distinct_id
from loopin_streams.enrich.draft import Draft, Origin
from loopin_streams.enrich.steps.decode import derived_uuid
from loopin_streams.enrich.steps.sampling import SAMPLED
from loopin_streams.kafka.job import Output
from loopin_streams.kafka.marker import STATE_VERSION


def linking(drafts: Iterable[Draft]) -> list[Draft]:
    """Those that say something of identity, in order: who is one person does not depend on the sample."""
    # One lookup for each of the other events, which are nearly all.
    return [
        draft
        for draft in drafts
        if (draft.outcome is None or draft.outcome is SAMPLED) and draft.event.event in LINKING
    ]


def route_links(drafts: Iterable[Draft], origin: Origin, output: Output) -> None:
    """Publish a request for each of these, in order."""
    for draft in drafts:
        request = link_request(draft, origin)
        key = topics.event_key(request.project, request.distinct_id)
        output.route(topics.IDENTITY_LINKS.name, 0, key, encode(request))


def link_request(draft: Draft, origin: Origin) -> LinkRequest:
    """What the event asks for.

    The other id is taken from what the client sent: in the event itself it may have been scrubbed, and then
    everybody would be the same ``[email]``.
    """
    kind, name = LINKING[draft.event.event]
    found = decode_object(draft.event.properties).get(name)
    other, problem = _checked(found)
    event = draft.enriched
    return LinkRequest(
        id=derived_uuid(origin, draft.record.offset),
        project=event.project,
        kind=kind,
        distinct_id=event.distinct_id,
        other=other,
        # Most calls of identify name nobody else.
        problem=None if kind == "identify" and found is None else problem,
        event_uuid=event.uuid,
        timestamp=event.timestamp,
        raw_partition=event.raw_partition,
        raw_offset=event.raw_offset,
        version=STATE_VERSION,
    )


def _checked(found: Any) -> tuple[str | None, str | None]:
    """The other id, or what is wrong with it."""
    # PostHog's clients send numbers as they are.
    named = str(found) if isinstance(found, int) and not isinstance(found, bool) else found
    try:
        check_distinct_id(named)
    except InvalidEvent as error:
        return None, error.code
    return named, None
