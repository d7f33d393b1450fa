"""``loopin version``."""

from __future__ import annotations

import platform
from importlib.metadata import version

from loopin_deploy.screen import out


def show_version() -> None:
    """Show the versions of this program and of Python."""
    out.print(f"loopin {version('loopin-analytics')}, Python {platform.python_version()}", highlight=False)
