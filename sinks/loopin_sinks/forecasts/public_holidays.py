"""Public holidays of a country, by the library ``holidays``."""

from __future__ import annotations

from functools import cache

import holidays

from loopin_sinks.forecasts.effects import Holidays


@cache
def countries() -> frozenset[str]:
    """ISO 3166 codes of the countries whose holidays are known."""
    return frozenset(holidays.list_supported_countries(include_aliases=False))


@cache
def holidays_of(country: str, first_year: int, last_year: int) -> Holidays:
    """The public holidays of these years, by day.

    Raises:
        ValueError: nothing is known of such a country.
    """
    if country not in countries():
        raise ValueError(f"nothing is known of the holidays of {country}")
    return dict(holidays.country_holidays(country, years=range(first_year, last_year + 1)))
