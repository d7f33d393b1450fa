"""Events of users who never said who they are, left out where the settings say so."""

from __future__ import annotations

from collections.abc import Sequence

from loopin_streams.enrich.draft import Context, Draft, Drop

ANONYMOUS = Drop("anonymous")


def drop_anonymous(drafts: Sequence[Draft], context: Context) -> None:
    """Mark the drafts of anonymous users, unless ``track_anonymous_users`` is on."""
    if context.track_anonymous_users:
        return
    for draft in drafts:
        if is_anonymous(draft):
            draft.outcome = ANONYMOUS


def is_anonymous(draft: Draft) -> bool:
    """By PostHog's conventions: no person profile, not identified, or known by the device's id alone."""
    properties = draft.properties
    return (
        properties.get("$process_person_profile") is False
        or properties.get("$is_identified") is False
        or properties.get("$device_id") == draft.event.distinct_id
    )
