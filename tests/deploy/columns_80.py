"""What a table shows on a terminal of 80 columns."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def lines(table: Table) -> list[str]:
    """Its lines, none of which is longer."""
    console = Console(width=80, emoji=False)
    with console.capture() as shown:
        console.print(table)
    found = shown.get().splitlines()
    assert max(map(len, found)) <= 80
    return found
