"""Hidden kinds of users (docs/simulator.md, "Users")."""

from __future__ import annotations

from typing import NamedTuple

from loopin_producers.simulator.dice import cumulated


class Persona(NamedTuple):
    """One kind.

    ``share`` of the users who are no organisers; ``visits`` a week; ``actions`` of a visit beyond the first;
    ``leaving`` risk a month; ``buys`` at checkout; ``attends`` what was joined; ``travels`` in 30 days;
    ``weekend`` factor of Saturdays and Sundays; ``hours`` weights of a day's 24 hours; ``tastes`` weights of
    the actions, in the order of ``actions.ACTIONS``.
    """

    name: str
    share: float
    visits: float
    actions: float
    leaving: float
    buys: float
    attends: float
    travels: float
    weekend: float
    hours: tuple[float, ...]
    tastes: tuple[float, ...]


_EVENINGS = cumulated((1, 1, 0, 0, 0, 0, 1, 3, 5, 3, 2, 2, 4, 3, 2, 2, 3, 5, 8, 10, 11, 9, 6, 3))
_NIGHTS = cumulated((6, 4, 3, 1, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3, 4, 5, 6, 8, 10, 11, 9))
_LUNCH = cumulated((0, 0, 0, 0, 0, 1, 3, 6, 7, 5, 4, 6, 10, 9, 4, 3, 3, 4, 5, 4, 3, 2, 1, 1))
ANY_HOUR = cumulated((2, 1, 1, 1, 1, 1, 2, 4, 5, 5, 5, 5, 6, 6, 5, 5, 5, 6, 7, 7, 7, 6, 4, 3))

# meetup, content, search, social, community, recommendations, account, feedback
PERSONAS = (
    Persona(
        "regular", 0.32, 4.4, 1.8, 0.07, 0.42, 0.80, 0.12, 1.2, _EVENINGS,
        cumulated((28, 24, 10, 12, 14, 8, 3, 1)),
    ),
    Persona(
        "socialite", 0.18, 6.4, 2.2, 0.04, 0.48, 0.85, 0.25, 1.5, _NIGHTS,
        cumulated((24, 18, 6, 30, 14, 6, 2, 1)),
    ),
    Persona(
        "browser", 0.32, 2.7, 1.6, 0.11, 0.28, 0.65, 0.12, 0.8, _LUNCH,
        cumulated((18, 32, 18, 4, 10, 14, 2, 1)),
    ),
    Persona(
        "bargain_hunter", 0.18, 3.1, 1.5, 0.13, 0.22, 0.70, 0.12, 1.0, _EVENINGS,
        cumulated((34, 12, 26, 4, 6, 12, 3, 2)),
    ),
)  # fmt: skip
ORGANISER = Persona(
    "organiser", 0.0, 5.0, 1.8, 0.04, 0.40, 0.85, 0.12, 1.0, _LUNCH,
    cumulated((20, 24, 6, 20, 20, 6, 4, 2)),
)  # fmt: skip
SHARES = cumulated([persona.share for persona in PERSONAS])
