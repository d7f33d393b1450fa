"""How forecasts are made unless somebody wants it otherwise; by the documents' ``ML_SETTINGS``."""

from __future__ import annotations

from typing import Final

VERSION: Final = "forecasts-1"
"""Of the models and of how one is chosen: another one where the same values give another forecast."""

HORIZON: Final = 30
"""Days ahead (``prediction_horizon``)."""

LEAST_POINTS: Final = 100
"""Days with a value from which on a model is chosen (``min_data_points``)."""

METRICS: Final = ("dau", "revenue", "new_registrations")
"""Metrics that are forecast each day."""

SEASONAL_NAIVE: Final = "seasonal_naive"
"""The baseline: the value of the same weekday in the last week."""
