"""Public holidays of a country, by the library ``holidays``."""

from __future__ import annotations

from functools import cache

import holidays

from loopin_sinks.forecasts.effects import Holidays
from loopin_sinks.forecasts.errors import UnknownCountry


@cache
def holidays_of(country: str, first_year: int, last_year: int) -> Holidays:
    """The public holidays of these years, by day.

    Raises:
        UnknownCountry: nothing is known of them.
    """
    if country not in holidays.list_supported_countries(include_aliases=False):
        raise UnknownCountry(country)
    return dict(holidays.country_holidays(country, years=range(first_year, last_year + 1)))
