"""A forecast: the one that was kept today, else one that is made now."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final

from loopin_api.errors import unavailable
from loopin_schemas.metrics import Metric
from loopin_sinks.forecasts.defaults import MISSING, VERSION
from loopin_sinks.forecasts.history import bounds_of, past
from loopin_sinks.forecasts.made import Made
from loopin_sinks.forecasts.stored import newest_forecast
from loopin_sinks.metric_values.scope import Scope, from_epoch_ms
from loopin_sinks.store import Store

MOST_DAYS: Final = 90
"""Most days ahead."""

STALE_AFTER: Final = timedelta(days=7)
"""How old a forecast is at most that is answered where none can be made."""

_AT_WORK: Final = ThreadPoolExecutor(1, thread_name_prefix="forecast")
"""One at a time: each takes half a second of a core, which other requests need, too."""


class UnknownCountry(Exception):
    """Nothing is known of a country's holidays; the text is one sentence that says what to do."""


async def forecast_of(store: Store, scope: Scope, metric: Metric, horizon: int, country: str | None) -> Made:
    """A metric's next days.

    Args:
        store: what is kept and stored.
        scope: all of a project's events.
        metric: the metric.
        horizon: days, ``MOST_DAYS`` at most.
        country: whose holidays may matter, ISO 3166; None for none, or those of the forecast that was kept.

    Raises:
        UnknownCountry: nothing is known of that country's holidays.
        ApiError: 503, what forecasts are made with is not installed, and none is kept.
        StoreError: the store did not answer.
    """
    kept = await newest_forecast(store, scope, metric)
    fits = kept is not None and horizon <= kept.horizon and country in (None, kept.holidays)
    today = scope.midnight(scope.day_of(scope.now))
    if kept is not None and fits and from_epoch_ms(kept.made_at) >= today and kept.model_version == VERSION:
        return kept
    try:
        # When it is needed: its libraries take seconds to load, and are an extra of their own.
        from loopin_sinks.forecasts.make import make
        from loopin_sinks.forecasts.public_holidays import countries
    except ImportError:
        if kept is not None and fits and from_epoch_ms(kept.made_at) > scope.now - STALE_AFTER:
            return kept
        raise unavailable("MODELS_MISSING", MISSING) from None
    if country is not None and country not in countries():
        raise UnknownCountry(f"Nothing is known of the holidays of {country}; give another, or leave it out.")
    found = await past(store, scope, metric)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_AT_WORK, make, scope, found, horizon, bounds_of(metric), country)
