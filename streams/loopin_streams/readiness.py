"""When a role is ready: named checks, each of which may say why it is not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

Unready = Callable[[], str | None]
"""One sentence that says why the role is not ready, or None when it is."""

Checks = Mapping[str, Unready]
"""What a role's readiness consists of, by name."""

PARTITIONS: Final = "partitions"
"""The check that all partitions are open; their state may take long to read back."""

REFUSED: Final = "refused"
"""The check that no partition is left alone; that takes a person, so who waits for a start leaves it out."""

CONFIGURATION: Final = "configuration"
"""The check that what is configured has been read to its end once."""

LAG: Final = "lag"
"""The check that a role keeps up; a backlog takes its time, so who waits for a start leaves it out."""


def first_reason(checks: Checks, exclude: Collection[str] = ()) -> str | None:
    """Why a role is not ready by the checks that are not left out; None when it is."""
    reasons = (unready() for name, unready in checks.items() if name not in exclude)
    return next((reason for reason in reasons if reason is not None), None)


def unknown_check(checks: Checks, exclude: Collection[str]) -> str | None:
    """One sentence about a name to be left out that no check has; None when all are known."""
    unknown = [name for name in exclude if name not in checks]
    if not unknown:
        return None
    return f"There is no check {unknown[0][:100]}: leave out one of {', '.join(checks)}."
