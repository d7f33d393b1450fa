"""Weeks whose parts are put together, and nobody who was refused."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from loopin_sinks.recommendations.checks import Checks
from loopin_sinks.recommendations.learn import Week

_NONE = np.zeros(0, dtype=np.int64)

NO_CHECKS = Checks(_NONE, _NONE, np.zeros(0, dtype=np.bool_), _NONE, {})


def whole(parts: Iterable[Week]) -> Week:
    """A week of all users; there is one part at least."""
    first, *others = parts
    rest = [first, *others]
    return Week(
        items=first.items,
        signals=np.concatenate([part.signals for part in rest]),
        allowed=np.concatenate([part.allowed for part in rest]),
        taken=np.concatenate([part.taken for part in rest]),
        popular=first.popular,
    )
