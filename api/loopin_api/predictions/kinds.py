"""The kinds of predictions, one a line."""

from __future__ import annotations

from typing import Final

from loopin_api.predictions.forecast import FORECAST
from loopin_api.predictions.kind import Kind

KINDS: Final[tuple[Kind, ...]] = (FORECAST,)
