from __future__ import annotations

import pytest

from loopin_deploy.commands.since import since_ms
from loopin_deploy.errors import DeployError

NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("90s", NOW_MS - 90_000),
        ("30m", NOW_MS - 1_800_000),
        ("2h", NOW_MS - 7_200_000),
        ("3d", NOW_MS - 259_200_000),
        ("0d", NOW_MS),
        ("2026-01-02T03:04:05Z", 1_767_323_045_000),
        ("2026-01-02T05:04:05+02:00", 1_767_323_045_000),
        ("2026-01-02", 1_767_312_000_000),
        ("1767323045000", 1_767_323_045_000),
    ],
)
def test_a_time_or_an_age(text: str, expected: int | None) -> None:
    assert since_ms(text, NOW_MS) == expected


@pytest.mark.parametrize("text", ["yesterday", "2w", "-2h", "h", "2 h", "2h3m", " "])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(DeployError, match="or an age such as 2h or 3d") as refused:
        since_ms(text, NOW_MS)
    assert refused.value.code == "since_invalid"
