"""A forecast: the one that was kept today, else one that is made now."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from loopin_api.errors import unavailable
from loopin_schemas.metrics import Metric
from loopin_sinks.forecasts.at_once import make_forecast
from loopin_sinks.forecasts.defaults import VERSION
from loopin_sinks.forecasts.errors import MISSING
from loopin_sinks.forecasts.history import past
from loopin_sinks.forecasts.made import Made
from loopin_sinks.forecasts.stored import newest_forecast
from loopin_sinks.metric_values.scope import Scope, from_epoch_ms
from loopin_sinks.store import Store

MOST_DAYS: Final = 90
"""Most days ahead."""

STALE_AFTER: Final = timedelta(days=7)
"""How old a forecast is at most that is answered where none can be made."""


async def forecast_of(store: Store, scope: Scope, metric: Metric, horizon: int, country: str | None) -> Made:
    """A metric's next days.

    Args:
        store: what is kept and stored.
        scope: all of a project's events.
        metric: the metric.
        horizon: days, ``MOST_DAYS`` at most.
        country: whose holidays may matter, ISO 3166; None for none.

    Raises:
        UnknownCountry: nothing is known of that country's holidays.
        ApiError: 503, what forecasts are made with is not installed, and none is kept.
        StoreError: the store did not answer.
    """
    kept = await newest_forecast(store, scope, metric)
    if kept is not None and (horizon > kept.horizon or country != kept.holidays):
        kept = None
    today = scope.midnight(scope.day_of(scope.now))
    if kept is not None and from_epoch_ms(kept.made_at) >= today and kept.model_version == VERSION:
        return kept
    try:
        return await make_forecast(scope, metric, await past(store, scope, metric), horizon, country)
    except ImportError:
        if kept is not None and from_epoch_ms(kept.made_at) > scope.now - STALE_AFTER:
            return kept
        raise unavailable("MODELS_MISSING", MISSING) from None
