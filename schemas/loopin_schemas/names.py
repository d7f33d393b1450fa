"""Names that users give to what they configure."""

from __future__ import annotations

from typing import Final

NAME: Final = r"^[a-z][a-z0-9_]{0,63}$"
"""What a metric, a rule or a schedule may be called."""
