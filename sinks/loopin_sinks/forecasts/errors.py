"""Why a forecast cannot be made."""

from __future__ import annotations

from typing import Final

MISSING: Final = "What forecasts are made with is not installed here: install loopin-analytics[models]."
"""Where a library cannot be imported."""


class UnknownCountry(Exception):
    """Nothing is known of a country's holidays; the text is one sentence that says what to do."""

    def __init__(self, country: str) -> None:
        super().__init__(f"Nothing is known of the holidays of {country}; give another, or leave it out.")
