"""Browser, system and device of the visitor."""

from __future__ import annotations

from loopin_streams.enrich.draft import Context, Draft, Outcome
from loopin_streams.enrich.user_agents import described, user_agent_of


def describe_user_agent(draft: Draft, _: Context) -> Outcome:
    """Add what the user agent says; what the client said by itself stays."""
    user_agent = user_agent_of(draft.properties)
    if user_agent is not None:
        draft.add(described(user_agent))
    return None
