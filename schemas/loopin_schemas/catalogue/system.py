"""Events of the backend itself; they make no user active."""

from __future__ import annotations

from loopin_schemas.catalogue.event_type import Alias, EventType, Property

_METHOD = Property("method", "text", "HTTP method")

SYSTEM: tuple[EventType, ...] = (
    EventType(
        "api_request",
        "The backend answered an HTTP request",
        (
            Property("route", "text", "Route's pattern, without ids", required=True),
            _METHOD,
            Property("status", "integer", "HTTP status", required=True, minimum=100, maximum=599),
            Property("duration_ms", "number", "Time to answer", "ms", required=True, minimum=0),
            Property("exception", "text", "Class of the exception that was not handled"),
            Property("session_key_hash", "text", "Hash of the web framework's session key"),
        ),
        (Alias("api_call", "documents"),),
    ),
    EventType(
        "system_metric",
        "A component measured itself",
        (
            Property("metric_type", "text", "What was measured, such as cpu_usage", required=True),
            Property("value", "number", "The measurement, in the metric's own unit", required=True),
            Property("component", "text", "Component that was measured"),
            Property("operation", "text", "Operation that was measured"),
            Property("response_time_ms", "number", "How long the operation took", "ms", minimum=0),
            Property("status_code", "integer", "HTTP status that it was answered with"),
            Property("memory_usage_mb", "number", "Memory in use", "MB", minimum=0),
        ),
    ),
    EventType(
        "error_logged",
        "The backend logged an error",
        (
            Property(
                "level",
                "text",
                "Severity",
                required=True,
                choices=("debug", "info", "warning", "error", "critical"),
            ),
            Property("message", "text", "The error's message", required=True),
            Property("stack_trace", "text", "Where it happened"),
            Property("url", "text", "Address of the request"),
            _METHOD,
        ),
    ),
)
