"""The event properties that have columns of their own in table ``events``, for queries to read and filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["Nullable(Float64)", "Nullable(Int32)", "String", "LowCardinality(String)"]


@dataclass(frozen=True, slots=True)
class PropertyColumn:
    """A property's column: same name, and NULL or ``''`` where the property is absent or of another kind.

    Numbers are also read from text ("12.5"), text also from numbers (event_id 12 is ``'12'``). Booleans are
    no numbers. NaN, infinities, and what an integer column cannot hold exactly (1.5, 2**31) are NULL.
    """

    name: str
    type: ColumnType


NUMBER: ColumnType = "Nullable(Float64)"
INTEGER: ColumnType = "Nullable(Int32)"
TEXT: ColumnType = "String"
LABEL: ColumnType = "LowCardinality(String)"

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
    PropertyColumn("country", LABEL),
    PropertyColumn("region", LABEL),
    PropertyColumn("city", LABEL),
    PropertyColumn("device_type", LABEL),
    PropertyColumn("browser", LABEL),
    PropertyColumn("os", LABEL),
    PropertyColumn("platform", LABEL),
    PropertyColumn("url", TEXT),
    PropertyColumn("path", TEXT),
    PropertyColumn("referrer", TEXT),
    PropertyColumn("campaign_source", LABEL),
    PropertyColumn("campaign_medium", LABEL),
    PropertyColumn("campaign_name", LABEL),
    PropertyColumn("acquisition_channel", LABEL),
)
"""A new one is a line here and a migration that adds its column."""
