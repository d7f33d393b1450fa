"""Makes forecasts beside the event loop: one at a time, because each takes up to a second of a core."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from loopin_schemas.metrics import Metric
from loopin_sinks.forecasts.history import Past, bounds_of
from loopin_sinks.forecasts.made import Made
from loopin_sinks.metric_values.scope import Scope

REMEMBERED: Final = 200
"""Most forecasts that are remembered, about 20 KB each."""

_AT_WORK: Final = ThreadPoolExecutor(1, thread_name_prefix="forecast")

_made: Final[OrderedDict[Hashable, Made]] = OrderedDict()
"""By all that they depend on; touched by the thread only."""


async def make_forecast(
    scope: Scope, metric: Metric, past: Past, horizon: int, country: str | None = None
) -> Made:
    """The next days of a metric; what was made of the same values before is told again.

    Args:
        scope: the project's zone, and the time now.
        metric: the metric.
        past: what came.
        horizon: days ahead.
        country: whose public holidays may matter, ISO 3166; None for none.

    Raises:
        ImportError: what forecasts are made with is not installed.
        UnknownCountry: nothing is known of that country's holidays.
    """
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_AT_WORK, _make, scope, metric, past, horizon, country)


def _make(scope: Scope, metric: Metric, past: Past, horizon: int, country: str | None) -> Made:
    # Here, because its libraries take seconds to load, and are an extra of their own.
    from loopin_sinks.forecasts.make import make

    known = past.values
    bounds = bounds_of(metric).kept_by(known.values)
    of_past = known.first, known.values.tobytes(), past.until, past.calculated_at
    key = (scope.zone_name, bounds, of_past, horizon, country)
    found = _made.get(key)
    if found is None:
        found = _made[key] = make(scope, past, horizon, bounds, country)
        if len(_made) > REMEMBERED:
            _made.popitem(last=False)
    return found
