"""What a visit is made of.

A new kind of action is one file and one line here, with its weight in each persona's tastes.
"""

from __future__ import annotations

from collections.abc import Callable

from loopin_producers.simulator.actions.account import edit_profile
from loopin_producers.simulator.actions.community import community
from loopin_producers.simulator.actions.content import read
from loopin_producers.simulator.actions.feedback import feedback
from loopin_producers.simulator.actions.meetups import meetup
from loopin_producers.simulator.actions.recommendations import recommendations
from loopin_producers.simulator.actions.search import search
from loopin_producers.simulator.actions.social import social
from loopin_producers.simulator.visit import Visit

ACTIONS: tuple[Callable[[Visit], None], ...] = (
    meetup,
    read,
    search,
    social,
    community,
    recommendations,
    edit_profile,
    feedback,
)
