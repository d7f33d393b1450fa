"""How fast the product answers, what breaks, and who cannot get in."""

from __future__ import annotations

from typing import Final

from loopin_schemas.metrics.definition import (
    Condition,
    Count,
    Mean,
    Percentile,
    Quotient,
    Sessions,
    events,
    share,
)
from loopin_schemas.metrics.metric import Metric

_OWNER: Final = "operations"
_REQUESTS: Final = events("api_request")

OPERATIONS: tuple[Metric, ...] = (
    Metric(
        name="api_requests",
        kind="kpi",
        category="speed",
        unit="count",
        description="Requests that backends answered.",
        definition=Count(_REQUESTS),
        owner=_OWNER,
    ),
    Metric(
        name="avg_response_time",
        kind="kpi",
        category="speed",
        unit="ms",
        better="lower",
        description="Mean time to answer an API request.",
        definition=Mean(_REQUESTS, "duration_ms"),
        owner=_OWNER,
    ),
    Metric(
        name="response_time_p50",
        kind="kpi",
        category="speed",
        unit="ms",
        better="lower",
        description="Time that half of the API requests took less than.",
        definition=Percentile(_REQUESTS, "duration_ms", 0.5),
        owner=_OWNER,
    ),
    Metric(
        name="slow_response_p95",
        kind="kri",
        category="speed",
        unit="ms",
        better="lower",
        description="Time that 95 % of the API requests took less than.",
        definition=Percentile(_REQUESTS, "duration_ms", 0.95),
        owner=_OWNER,
        warning=1000,
        critical=3000,
    ),
    Metric(
        name="page_load_p95",
        kind="kri",
        category="speed",
        unit="ms",
        better="lower",
        description="Time that 95 % of the pages took less than to load.",
        definition=Percentile(events("page_loaded"), "load_ms", 0.95),
        owner=_OWNER,
        warning=4000,
        critical=8000,
    ),
    Metric(
        name="error_rate",
        kind="kri",
        category="errors",
        unit="ratio",
        better="lower",
        description="Of the API requests, those answered with a status of 500 or more.",
        definition=Quotient(
            Count(events("api_request", where=Condition("status", "ge", 500))), Count(_REQUESTS)
        ),
        owner=_OWNER,
        warning=0.01,
        critical=0.05,
        at_least=100,
    ),
    Metric(
        name="crash_rate",
        kind="kri",
        category="errors",
        unit="ratio",
        better="lower",
        description="Of the sessions, those in which the app crashed.",
        definition=Quotient(Sessions("crashed"), Sessions()),
        owner=_OWNER,
        warning=0.01,
        critical=0.03,
        at_least=100,
    ),
    Metric(
        name="otp_failure_rate",
        kind="kri",
        category="access",
        unit="ratio",
        better="lower",
        description="Of the one-time passwords that were tried, those refused.",
        definition=share(events("otp_failed"), events("otp_verified")),
        owner=_OWNER,
        warning=0.15,
        critical=0.30,
    ),
    Metric(
        name="login_failure_rate",
        kind="kri",
        category="access",
        unit="ratio",
        better="lower",
        description="Of the attempts to sign in, those refused.",
        definition=share(events("login_failed"), events("user_logged_in")),
        owner=_OWNER,
        warning=0.20,
        critical=0.40,
    ),
)
