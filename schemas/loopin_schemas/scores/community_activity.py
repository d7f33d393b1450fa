"""How alive a community is, whatever its size was: 0 to 10."""

from __future__ import annotations

from typing import Final

MOST: Final = 10.0

_MEMBERS: Final = (0.4, 50.0)
_ACTIONS: Final = (0.3, 250.0)
_ONLINE: Final = (0.3, 10.0)


def community_activity_score(active_members: int, actions: int, online_members: int) -> float:
    """The activity score, 0 to 10, from counts of 0 or more.

    ``active_members`` are the persons with an event of the community within the last 24 hours, ``actions``
    their events, ``online_members`` those of them with one within the last 5 minutes::

        score = 10 * (0.4 * active_members / (active_members + 50)
                      + 0.3 * actions / (actions + 250)
                      + 0.3 * online_members / (online_members + 10))

    Each part grows from 0 towards 1 and is half at its constant. The constants are those of a community that
    lives without being large: 50 persons a day with five actions each, ten of them at once. It scores 5; a
    few busy persons cannot make up for the many, as the persons weigh most. More of anything never lowers it.

    Nobody: 0. 50 persons, 250 actions, 10 online: 5.0. 300 persons, 3,000 actions, 45 online: 8.65.
    """
    parts = ((active_members, _MEMBERS), (actions, _ACTIONS), (online_members, _ONLINE))
    return MOST * sum(weight * count / (count + half) for count, (weight, half) in parts)
