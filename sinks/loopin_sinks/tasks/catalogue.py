"""The tasks, one a line."""

from __future__ import annotations

from typing import Final

from loopin_sinks.tasks.calculate_metrics import CALCULATE_METRICS, RECALCULATE_METRICS
from loopin_sinks.tasks.calculate_requested import CALCULATE_REQUESTED
from loopin_sinks.tasks.clean_up_corrections import CLEAN_UP_CORRECTIONS
from loopin_sinks.tasks.cluster_users import CLUSTER_USERS
from loopin_sinks.tasks.detect_anomalies import DETECT_ANOMALIES
from loopin_sinks.tasks.detect_live_anomalies import DETECT_LIVE_ANOMALIES
from loopin_sinks.tasks.forecast_metrics import FORECAST_METRICS
from loopin_sinks.tasks.generate_insights import GENERATE_INSIGHTS
from loopin_sinks.tasks.refresh_recommendations import REFRESH_RECOMMENDATIONS
from loopin_sinks.tasks.rescore_sentiment import RESCORE_SENTIMENT
from loopin_sinks.tasks.task import Task

TASKS: Final[tuple[Task, ...]] = (
    CALCULATE_METRICS,
    RECALCULATE_METRICS,
    CALCULATE_REQUESTED,
    DETECT_ANOMALIES,
    DETECT_LIVE_ANOMALIES,
    FORECAST_METRICS,
    CLUSTER_USERS,
    REFRESH_RECOMMENDATIONS,
    GENERATE_INSIGHTS,
    RESCORE_SENTIMENT,
    CLEAN_UP_CORRECTIONS,
)
