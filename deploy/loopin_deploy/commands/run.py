"""``loopin run``."""

from __future__ import annotations

from typing import Annotated

import typer

from loopin_deploy.errors import DeployError
from loopin_deploy.roles import ROLES, run_role


def run(role: Annotated[str, typer.Argument(help=f"One of {', '.join(ROLES)}.")]) -> None:
    """Run one role in this process; everything else comes from the environment (docs/settings.md)."""
    if role not in ROLES:
        raise DeployError("role_unknown", "role", f"There is no role {role}: give one of {', '.join(ROLES)}.")
    run_role(role)
