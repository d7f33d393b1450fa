"""``--since``: a time, or how long ago."""

from __future__ import annotations

import re

from loopin_deploy.errors import DeployError
from loopin_schemas.errors import InvalidEvent
from loopin_schemas.timestamps import parse_timestamp

_AGE = re.compile(r"([0-9]{1,9})([smhd])")
_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def since_ms(text: str, now_ms: int) -> int | None:
    """Epoch ms of ISO 8601 text or of an age such as ``2h`` or ``3d``; None for empty text.

    Raises:
        DeployError: ``since_invalid``.
    """
    if not text:
        return None
    if age := _AGE.fullmatch(text):
        return now_ms - int(age[1]) * _UNIT_MS[age[2]]
    try:
        return parse_timestamp(text)
    except InvalidEvent as error:
        raise DeployError(
            "since_invalid",
            "--since",
            f"{text} is no time: give --since one such as 2026-01-02T03:04:05Z, or an age such as 2h or 3d.",
        ) from error
