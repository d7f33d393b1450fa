"""The event properties that have columns of their own in table ``events``, for queries to read and filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["Nullable(Float64)", "Nullable(Int32)", "String", "LowCardinality(String)", "Bool"]


@dataclass(frozen=True, slots=True)
class PropertyColumn:
    """A property's column: same name, and NULL or ``''`` where the property is absent or of another kind.

    Where it is absent the property ``otherwise`` stands in: PostHog's name, or what the enrichment found out.
    A Bool is true where that is.

    Numbers are also read from text ("12.5"), text also from numbers (event_id 12 is ``'12'``). Booleans are
    no numbers. NaN, infinities, and what an integer column cannot hold exactly (1.5, 2**31) are NULL.
    """

    name: str
    type: ColumnType
    otherwise: str = ""


NUMBER: ColumnType = "Nullable(Float64)"
INTEGER: ColumnType = "Nullable(Int32)"
TEXT: ColumnType = "String"
LABEL: ColumnType = "LowCardinality(String)"
FLAG: ColumnType = "Bool"

PROPERTY_COLUMNS: tuple[PropertyColumn, ...] = (
    PropertyColumn("amount", NUMBER),
    PropertyColumn("currency", LABEL),
    PropertyColumn("rating", NUMBER),
    PropertyColumn("status", INTEGER),
    PropertyColumn("duration_ms", NUMBER),
    PropertyColumn("duration_s", NUMBER),
    PropertyColumn("load_ms", NUMBER),
    PropertyColumn("event_id", TEXT),
    PropertyColumn("community_id", TEXT),
    PropertyColumn("object_id", TEXT),
    PropertyColumn("content_type", LABEL),
    PropertyColumn("reason", LABEL),
    PropertyColumn("country", LABEL, "$geoip_country_code"),
    PropertyColumn("region", LABEL, "$geoip_subdivision_1_name"),
    PropertyColumn("city", LABEL, "$geoip_city_name"),
    PropertyColumn("device_type", LABEL, "$device_type"),
    PropertyColumn("browser", LABEL, "$browser"),
    PropertyColumn("os", LABEL, "$os"),
    PropertyColumn("platform", LABEL),
    PropertyColumn("url", TEXT, "$current_url"),
    PropertyColumn("path", TEXT, "$pathname"),
    PropertyColumn("referrer", TEXT, "$referrer"),
    PropertyColumn("campaign_source", LABEL, "utm_source"),
    PropertyColumn("campaign_medium", LABEL, "utm_medium"),
    PropertyColumn("campaign_name", LABEL, "utm_campaign"),
    PropertyColumn("acquisition_channel", LABEL),
    PropertyColumn("is_bot", FLAG, "$is_bot"),
)
"""A new one is a line here and a migration that adds its column."""
