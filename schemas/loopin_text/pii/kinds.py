"""What the scrub looks for."""

from __future__ import annotations

from typing import Final, Literal

Kind = Literal["email", "phone", "card", "token"]

KINDS: Final[frozenset[Kind]] = frozenset(("email", "phone", "card", "token"))
"""All that can be looked for, and what is where nothing else is configured."""

MARKS: Final[dict[Kind, str]] = {kind: f"[{kind}]" for kind in KINDS}
"""What stands in place of a match."""
