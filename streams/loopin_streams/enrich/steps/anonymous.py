"""Events of users who never said who they are, left out where the settings say so."""

from __future__ import annotations

from collections.abc import Sequence

from loopin_schemas.identity import LINKING
from loopin_streams.enrich.draft import Context, Draft, Drop

ANONYMOUS = Drop("anonymous")


def drop_anonymous(drafts: Sequence[Draft], context: Context) -> None:
    """Mark the drafts of anonymous users, unless ``track_anonymous_users`` is on.

    Never those that say who somebody is: ``$identify`` and the other links.
    """
    if context.track_anonymous_users:
        return
    for draft in drafts:
        if draft.event.event not in LINKING and is_anonymous(draft):
            draft.outcome = ANONYMOUS


def is_anonymous(draft: Draft) -> bool:
    """By PostHog's conventions: no person profile, not identified, or known by the device's id alone.

    The last only where the client does not say by ``$is_identified`` what the user is.
    """
    properties = draft.properties
    if properties.get("$process_person_profile") is False:
        return True
    identified = properties.get("$is_identified")
    if isinstance(identified, bool):
        return not identified
    return properties.get("$device_id") == draft.event.distinct_id
