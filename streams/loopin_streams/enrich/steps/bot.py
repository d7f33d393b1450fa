"""Bots are marked, never dropped."""

from __future__ import annotations

from loopin_streams.enrich.bots import BOT_NAME, bot_name
from loopin_streams.enrich.draft import Context, Draft, Outcome
from loopin_streams.enrich.user_agents import user_agent_of


def flag_bot(draft: Draft, _: Context) -> Outcome:
    """Set ``$is_bot`` and ``$bot_name`` by the visitor's user agent, unless the client has judged itself.

    That is a property, which says what the client saw of its visitor. What a server's SDK calls itself on
    the way here is none, so it is no bot; nor is it where such an SDK names itself there.
    """
    properties = draft.properties
    user_agent = user_agent_of(properties)
    if user_agent is None or "$is_bot" in properties:
        return None
    library = properties.get("$lib")
    if isinstance(library, str) and library and user_agent.startswith(library):
        return None
    name = bot_name(user_agent)
    if name is not None:
        draft.add({"$is_bot": True, BOT_NAME: name})
    return None
