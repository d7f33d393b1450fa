"""The session that an event belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from loopin_streams.enrich.draft import Context, Draft
from loopin_streams.state.sessions import follow_sessions, session_id


def assign_sessions(drafts: Sequence[Draft], context: Context) -> None:
    """Load the users' profiles, follow their sessions, and name those of events whose client named none.

    The last step but one, so that no event that another step refuses has moved its user's session.
    """
    begun = follow_sessions(drafts, context.profiles, context.session_timeout_ms)
    for draft, at in zip(drafts, begun, strict=True):
        if draft.enriched.session_id is None:
            draft.enriched.session_id = session_id(draft.key, at)
