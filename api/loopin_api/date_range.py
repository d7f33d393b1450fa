"""The dates that a report covers."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, Field

from loopin_api.queries.days import dates_of
from loopin_api.timespan import Timespan


class DateRange(BaseModel):
    """Days of the time zone."""

    start: date = Field(description="First day, YYYY-MM-DD.")
    end: date = Field(description="The day after the last one, YYYY-MM-DD.")


def date_range(span: Timespan) -> DateRange:
    """The days that a span reaches into."""
    start, end = dates_of(span)
    return DateRange(start=start, end=end)
