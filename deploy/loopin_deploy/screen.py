"""How the commands show a person something, and one sentence for an error."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from loopin_deploy.errors import DeployError

# Names of emoji between colons are other people's text, too.
out = Console(emoji=False)
err = Console(stderr=True, emoji=False)


def fail(error: Exception) -> None:
    """One sentence on standard error, with the last log lines where there are any."""
    err.print(Text.assemble(("Error:", "bold red"), " ", printable(str(error))), soft_wrap=True)
    lines: Sequence[str] = error.log_lines if isinstance(error, DeployError) else ()
    for line in lines:
        err.print(Text("  " + printable(line, keep="\t"), style="dim"), soft_wrap=True)


def printable(text: str, keep: str = "") -> str:
    """Text as it is, with control characters escaped (but those in ``keep``), so that nothing that came from
    elsewhere can steer the terminal.
    """
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)


def verbatim(text: str) -> Text:
    """For a table's cell: :func:`printable` text, in which square brackets are nothing but themselves."""
    return Text(printable(text))
