"""What an event adds to the series of the catalogue's sums, ratios and means, by hand from what they mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

WHOLE_AND_PART: dict[str, dict[str, tuple[int, int]]] = {
    "payment_failed": {"payment_failure_rate": (1, 1), "ticket_purchase_success": (1, 0)},
    "payment_succeeded": {
        "payment_failure_rate": (1, 0),
        "ticket_purchase_success": (1, 1),
        "chargeback_rate": (1, 0),
    },
    "payment_disputed": {"chargeback_rate": (0, 1)},
    "ticket_purchased": {"refund_rate": (1, 0)},
    "payment_refunded": {"refund_rate": (0, 1)},
    "event_published": {"host_cancellation_rate": (1, 0), "event_cancellation_rate": (1, 0)},
    "event_cancelled": {"event_cancellation_rate": (0, 1)},
    "content_viewed": {"engagement_rate": (1, 0)},
    "content_liked": {"engagement_rate": (0, 1), "content_interactions": (1, 1)},
    "content_commented": {"engagement_rate": (0, 1), "content_interactions": (1, 1)},
    "content_shared": {"engagement_rate": (0, 1), "content_interactions": (1, 1)},
    "search_result_shown": {"click_through_rate": (1, 0)},
    "search_result_clicked": {"click_through_rate": (0, 1)},
    "recommendation_shown": {"recommendation_ctr": (1, 0)},
    "recommendation_clicked": {"recommendation_ctr": (0, 1)},
    "geo_access_checked": {"geo_blocked_share": (1, 0), "geo_bypass_share": (1, 0)},
    "api_request": {"error_rate": (1, 0)},
    "otp_failed": {"otp_failure_rate": (1, 1)},
    "otp_verified": {"otp_failure_rate": (1, 0)},
    "login_failed": {"login_failure_rate": (1, 1)},
    "user_logged_in": {"login_failure_rate": (1, 0)},
}
"""By event: what each adds to the whole and to the part, whatever it says."""

MILLION = 1_000_000


class Added(NamedTuple):
    """``sum`` in millionths; ``measured`` where it is a value of which there is a least and a greatest."""

    metric: str
    number: int
    sum: int
    measured: bool = False


def is_bot(properties: Mapping[str, Any]) -> bool:
    """Bots are in no window."""
    return properties.get("$is_bot") in ("true",) or properties.get("$is_bot") is True


def added(event: str, properties: Mapping[str, Any], sentiment: int | None) -> Iterator[Added]:
    """What an event adds; ``sentiment`` in millionths."""
    parts = dict(WHOLE_AND_PART.get(event, {}))
    if event == "event_cancelled" and properties.get("by") == "host":
        parts["host_cancellation_rate"] = (0, 1)
    if event == "geo_access_checked":
        parts["geo_blocked_share"] = (1, int(properties.get("access_result") == "blocked"))
        parts["geo_bypass_share"] = (1, int(properties.get("bypass") is True))
    if event == "api_request":
        status = _number(properties.get("status"))
        whole = status is not None and status == int(status) and abs(status) < 2**31
        parts["error_rate"] = (1, int(whole and status is not None and status >= 500))
    for metric, (whole_number, part) in parts.items():
        yield Added(metric, whole_number, part * MILLION)
    if event in ("event_reviewed", "feedback_submitted"):
        rating = _number(properties.get("rating"))
        if rating is not None and 1 <= rating <= 5:
            yield Added("satisfaction", 1, round((rating - 1) / 4 * MILLION), True)
            if event == "event_reviewed":
                yield Added("event_rating", 1, round(rating * MILLION), True)
        if sentiment is not None:
            yield Added("review_sentiment", 1, sentiment, True)
    if event == "api_request":
        took = _number(properties.get("duration_ms"))
        if took is not None and abs(took) <= 1e12:
            yield Added("avg_response_time", 1, round(took * MILLION), True)


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return float(value) if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?", value) else None
    return float(value) if isinstance(value, int | float) else None
