"""Email addresses in a text."""

from __future__ import annotations

import re

from loopin_text.pii.kinds import MARKS

_ADDRESS = re.compile(
    # Possessive, and begun only where no such character precedes: no character is looked at twice.
    r"""(?:(?<![\w.+\-'])[\w.+\-']++|"[^"\n]*+")"""
    r"(?:@|%40)"
    r"([\w\-]++(?:\.[\w\-]++)++)"
)


def scrub_emails(text: str) -> str:
    """The text with ``[email]`` in place of addresses, percent-encoded ones included."""
    if "@" not in text and "%40" not in text:
        return text
    return _ADDRESS.sub(_mark, text)


def _mark(found: re.Match[str]) -> str:
    top = found[1].rpartition(".")[2]
    # A version (``node@1.2.3``) or an address in numbers is none.
    if len(top) < 2 or top[0].isdigit():
        return found[0]
    quote = "'" if found[0].startswith("'") else ""
    return quote + MARKS["email"]
