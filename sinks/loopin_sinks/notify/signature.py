"""How a webhook can tell that a request is from here: HMAC-SHA256 (RFC 2104) over time and body."""

from __future__ import annotations

import hmac
from hashlib import sha256


def signature(secret: str, at_s: int, body: bytes) -> str:
    """The header ``Loopin-Signature``: ``t=TIME,v1=HEX``, the HMAC of ``TIME.BODY``.

    ``at_s`` is Unix time, by which a receiver can refuse what somebody has recorded and sends again.
    """
    signed = hmac.new(secret.encode(), f"{at_s}.".encode() + body, sha256)
    return f"t={at_s},v1={signed.hexdigest()}"
