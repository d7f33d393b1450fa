"""What a mail server has answered, as far as the library apprise tells of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

SCHEMES: Final = ("mailto", "mailtos")

_EXCEPTION: Final = "Socket Exception: "
_REPLY: Final = re.compile(r"\((\d{3}), b(['\"])(.*?)(?<!\\)\2")
_REFUSED: Final = re.compile(r"was refused: (\d{3}) b?(['\"]?)(.*)\2$")


def refusal(said: Iterable[str]) -> str | None:
    """The first of the replies of a failed delivery, where each is permanent: 5yz, by RFC 5321, 4.2.1.

    Else None: there was none (no connection, no certificate), or another attempt may work for somebody.
    """
    replies: list[str] = []
    for line in said:
        if not (line.startswith(_EXCEPTION) or _REFUSED.search(line)):
            continue
        found = [(code, text) for code, _, text in (*_REPLY.findall(line), *_REFUSED.findall(line))]
        if not found or any(code[0] != "5" for code, _ in found):
            return None
        replies += [f"{code} {text}" for code, text in found]
    return replies[0] if replies else None
