"""Every part of the evaluation, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable

from tests.evaluate.anomalies import UserAnomalies
from tests.evaluate.forecasts import ForecastsInWorld, ForecastsOfRealSeries
from tests.evaluate.metric_anomalies import MetricAnomalies
from tests.evaluate.part import Alone, Judge
from tests.evaluate.personas import Personas
from tests.evaluate.recommendations import Recommendations
from tests.evaluate.sentiment import Sentiment
from tests.evaluate.supervised import Attendance, Churn, Conversion

IN_WORLDS: dict[str, Callable[[], Judge]] = {
    "churn": Churn,
    "conversion": Conversion,
    "attendance": Attendance,
    "personas": Personas,
    "recommendations": Recommendations,
    "forecasts": ForecastsInWorld,
    "user_anomalies": UserAnomalies,
    "metric_anomalies": MetricAnomalies,
}
"""Judged in simulated worlds, each world with judges of its own."""

ALONE: dict[str, Callable[[], Alone]] = {"sentiment": Sentiment, "forecasts_real": ForecastsOfRealSeries}
"""Judged on real data."""
