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
_FILES = frozenset(
    {
        *(
            "png",
            "jpg",
            "jpeg",
            "gif",
            "svg",
            "webp",
            "avif",
            "ico",
            "bmp",
            "tif",
            "tiff",
            "heic",
            "pdf",
            "txt",
        ),
        *("css", "scss", "js", "mjs", "cjs", "jsx", "ts", "tsx", "json", "xml", "html", "htm", "csv"),
        *("woff", "woff2", "ttf", "otf", "eot", "mp3", "mp4", "webm"),
    }
)
"""Endings of files that are no top-level domains (as ``zip`` and ``mov`` are, by IANA's list)."""
_DENSITY = re.compile(r"[0-9]x(?:\.|\Z)")
_REPOSITORY = re.compile(r":[\w.~/\-]{1,200}?\.git(?![\w.\-])")


def scrub_emails(text: str) -> str:
    """The text with ``[email]`` in place of addresses, percent-encoded ones included."""
    if "@" not in text and "%40" not in text:
        return text
    return _ADDRESS.sub(_mark, text)


def _mark(found: re.Match[str]) -> str:
    if _is_file(domain := found[1]) or _is_repository(found):
        return found[0]
    top = domain.rpartition(".")[2]
    # A version (``node@1.2.3``) or an address in numbers is none.
    if len(top) < 2 or top[0].isdigit():
        return found[0]
    quote = "'" if found[0].startswith("'") else ""
    return quote + MARKS["email"]


def _is_file(domain: str) -> bool:
    """``2x.png`` of ``icon@2x.png``; not ``example.com.png``, a file that is named after somebody."""
    name, _, ending = domain.rpartition(".")
    return ending.lower() in _FILES and ("." not in name or _DENSITY.match(name) is not None)


def _is_repository(found: re.Match[str]) -> bool:
    """``git@host:path`` and ``git@host/path``, and any user's ``user@host:path.git``."""
    text, end = found.string, found.end()
    if text[end : end + 1] not in (":", "/"):
        return False
    return found[0].startswith("git@") or _REPOSITORY.match(text, end) is not None
