"""Who sent an HTTP request, where no user is signed in: what the client says, else a hash."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from loopin_schemas import InvalidEvent
from loopin_schemas.validation import check_distinct_id

DISTINCT_ID_HEADERS = ("x-loopin-distinct-id", "x-posthog-distinct-id")
SESSION_ID_HEADERS = ("x-loopin-session-id", "x-posthog-session-id")
ANONYMOUS_COOKIE = "loopin_id"
"""Where a browser keeps the id of a visitor who has not signed in."""

_MADE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""A version 7 UUID in lower case, as loopin.js writes it."""

_DIGEST_BYTES = 16
_DAY_S = 86_400


class Visitor(NamedTuple):
    """What a request says of its sender.

    Attributes:
        claimed: distinct_id that the client sent in a header. Anybody can write there, so a signed-in user
            counts before it.
        cookie: anonymous id that the browser script keeps.
        session_id: analytics session that the client sent in a header.
    """

    claimed: str | None
    cookie: str | None
    session_id: str | None


def visitor(header: Callable[[str], str | None], cookie: str | None) -> Visitor:
    """Read the headers, given by their names in lower case; what cannot be an id is left out."""
    claimed, session_id = _first(header, DISTINCT_ID_HEADERS), _first(header, SESSION_ID_HEADERS)
    return Visitor(claimed, anonymous_id(cookie), session_id)


def anonymous_id(cookie: str | None) -> str | None:
    """The cookie's text if the browser script can have made it, else None.

    Anybody writes into a cookie what they like, and what an anonymous id did becomes that user's who signs
    in: another user's id, such as ``17``, must not get there.
    """
    return cookie if cookie and _MADE.fullmatch(cookie) else None


def valid_id(text: str | None) -> str | None:
    """The text if it may identify a user or a session, else None."""
    if not text:
        return None
    try:
        check_distinct_id(text)
    except InvalidEvent:
        return None
    return text


def session_hash(key: str) -> str:
    """A name for a session that does not open it: 32 hexadecimal digits.

    Session keys are long and random, so the hash cannot be searched for its key.
    """
    return blake2b(key.encode(), digest_size=_DIGEST_BYTES, person=b"loopin-session").hexdigest()


def daily_id(secret: bytes, at_s: float, address: str | None, user_agent: str | None) -> str:
    """An id for a visitor without cookie or session, the same within a UTC day only.

    Made of address and browser, as Plausible does, and keyed with the program's secret: without that, the
    few possible addresses could be tried out.
    """
    told = f"{int(at_s // _DAY_S)}\n{address}\n{user_agent}"
    return f"anon-{keyed_hash(secret, told, b'loopin-visitor')}"


def keyed_hash(secret: bytes, text: str, purpose: bytes) -> str:
    """32 hexadecimal digits that nobody without the secret can make of the text; ``purpose``: 16 bytes."""
    key = blake2b(secret, digest_size=32).digest()
    digest = blake2b(text.encode(errors="replace"), key=key, digest_size=_DIGEST_BYTES, person=purpose)
    return digest.hexdigest()


def _first(header: Callable[[str], str | None], names: tuple[str, ...]) -> str | None:
    for name in names:
        if (found := valid_id(header(name))) is not None:
            return found
    return None
