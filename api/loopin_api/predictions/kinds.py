"""The kinds of predictions, one a line."""

from __future__ import annotations

from typing import Final

from loopin_api.predictions.attendance import ATTENDANCE_KIND
from loopin_api.predictions.forecast import FORECAST
from loopin_api.predictions.kind import Kind
from loopin_api.predictions.scores import CHURN_KIND, CONVERSION_KIND
from loopin_api.predictions.segments import SEGMENTS_KIND

KINDS: Final[tuple[Kind, ...]] = (FORECAST, CHURN_KIND, CONVERSION_KIND, ATTENDANCE_KIND, SEGMENTS_KIND)
