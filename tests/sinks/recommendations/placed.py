"""Users who have always been in one place."""

from __future__ import annotations

import numpy as np

from loopin_sinks.recommendations.history import Places


def placed(*cities: str) -> Places:
    """Each user in the city given, ``''`` for nowhere."""
    names = tuple(sorted({*cities} - {""}))
    users = [user for user, city in enumerate(cities) if city]
    ones = np.ones(len(users), dtype=np.int64)
    where = np.array([names.index(cities[user]) for user in users], dtype=np.int64)
    return Places(names, np.array(users, dtype=np.int64), where, ones, ones - 1)
