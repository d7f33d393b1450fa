"""What the name of a property, or of a query parameter, says of its value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from loopin_text.pii.kinds import KINDS, Kind

LONGEST: Final = 64
"""Characters of the longest name that is remembered, and that says anything."""

IDENTITIES: Final = frozenset(
    {
        # Who or what an event is about, and which client sent it: the stream needs them as they are.
        *("distinct_id", "alias", "$anon_distinct_id", "$user_id", "$device_id", "$session_id", "$window_id"),
        *("$groups", "$group_type", "$group_key", "$unset", "$ip"),
        *("user_agent", "$user_agent", "$raw_user_agent"),
    }
)
"""Properties that are never scrubbed. An email address that serves as an id is an id."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """What a name says: the value's kind, or which kinds it cannot be; ``exempt`` values are left alone.

    The kinds to ``skip`` are those that a number cannot be, nor a text that is wholly of the form ``own``: in
    any other text they are looked for. Under names of several (``tokens``) numbers may count them, under
    ``pin`` only ``digits`` are one.
    """

    is_kind: Kind | None = None
    skip: frozenset[Kind] = frozenset()
    own: re.Pattern[str] | None = None
    exempt: bool = False
    several: bool = False
    digits: bool = False


PLAIN: Final = Rule()
_NUMBERS: Final[frozenset[Kind]] = frozenset(("phone", "card"))
ID: Final = Rule(skip=_NUMBERS, own=re.compile(r"[^\s+(]\S*+"))
AMOUNT: Final = Rule(skip=_NUMBERS, own=re.compile(r"-?[0-9][0-9,]*+(?:\.[0-9]++)?", re.ASCII))
MEASURE: Final = Rule(skip=_NUMBERS)
"""A client's own numbers, under names that may hold what people wrote as well."""
EXEMPT: Final = Rule(exempt=True)
BY_KIND: Final[Mapping[Kind, Rule]] = {kind: Rule(is_kind=kind) for kind in KINDS}

TOKENS: Final = Rule(is_kind="token", several=True)
PIN: Final = Rule(is_kind="token", digits=True)

_SECRETS = ("password", "passwd", "passphrase", "token", "secret", "apikey", "pwd")
_SEVERAL_SECRETS = tuple(f"{word}s" for word in _SECRETS[:-1])
_ONCE = frozenset({"otp", "totp", "mpin", "passcode", "phpsessid", "jsessionid", "sessid"})
"""Words that as a name, or at its end, are of secrets too short to be told by their form, and of cookies."""
_SESSIONS = frozenset(
    {"sid", "session", "sessionid", "session_id", "session-id", "connect.sid", "asp.net_sessionid"}
)
_PLACED = _SESSIONS | {"code", "state"}
_KEYS = frozenset({"api", "access", "private", "secret", "auth", "encryption", "signing"})
_PASS_OF = frozenset({"user", "admin", "root", "db", "database", "smtp", "ftp", "sftp", "proxy", "wifi"})
_AUTH_OF = frozenset({"basic", "proxy", "http"})
"""Words before ``pass`` and ``auth``, which alone are tickets, results of tests, and ways to sign in."""
_PHONES = frozenset(
    {
        *(
            "phone",
            "telephone",
            "tel",
            "mobile",
            "cell",
            "cellphone",
            "msisdn",
            "whatsapp",
            "fax",
            "landline",
        ),
        *("phonenumber", "phoneno", "mobilenumber", "mobileno", "contactnumber", "contactno"),
    }
)
_COUNTED = frozenset({"number", "no", "num", "nr"})
_SECURITY_CODES = frozenset({"cvv", "cvc", "cvn", "csc"})
_IDS = frozenset(
    {"id", "ids", "uuid", "guid", "hash", "sha", "md", "checksum", "digest", "etag", "fingerprint", "version"}
)
_AMOUNTS = frozenset(
    {
        *("timestamp", "time", "ts", "at", "date", "ms", "us", "ns", "amount", "price", "total", "cost"),
        *("revenue", "lat", "lng", "lon", "latitude", "longitude", "duration", "size"),
    }
)
"""Last words of names of numbers that are neither phones nor cards."""

_CAMPAIGN = re.compile(r"utm_|(?:gcl|fbcl|msclk|dcl|ttcl|twcl)id$|[gw]braid$|gad_")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN = re.compile(r"[^a-z]+")


def rule_of(name: str) -> Rule:
    """The rule for values of this name."""
    return _remembered_rule(name) if len(name) <= LONGEST else PLAIN


def parameter_rule(name: str, text: str, at: int) -> Rule:
    """The rule for the value of ``name=value``, which begins at ``at`` in the text.

    Here names of sessions, and in addresses those of OAuth's grants, say more than as names of properties.
    """
    if (lower := name.lower()) in _PLACED:
        before = text[max(at - 2, 0) : at]
        in_address = before.endswith(("?", "&", "#")) or before == "p;"  # &amp;
        in_cookie = lower in _SESSIONS and (not before or before.rstrip(" ").endswith(";"))
        if in_address or in_cookie:
            return BY_KIND["token"]
    return rule_of(name)


@lru_cache(8192)
def _remembered_rule(name: str) -> Rule:
    if name in IDENTITIES or name.startswith("$group_") and name[7:].isdecimal():
        return EXEMPT
    lower = name.lower()
    if _CAMPAIGN.match(lower):
        return ID
    rule = _by_words([word for word in _BETWEEN.split(_HUMP.sub("_", name).lower()) if word])
    return MEASURE if rule is PLAIN and name.startswith("$") else rule


def _by_words(words: list[str]) -> Rule:
    if not words:
        return PLAIN
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last.endswith(_SECRETS) or words == ["authorization"] or (last == "key" and before in _KEYS):
        return BY_KIND["token"]
    if last.endswith(_SEVERAL_SECRETS) or (last == "keys" and before in _KEYS) or last == "credentials":
        return TOKENS
    if last == "credential" or (last == "pass" and before in _PASS_OF):
        return BY_KIND["token"]
    if last == "auth" and before in _AUTH_OF:
        return BY_KIND["token"]
    if last in _ONCE or (before in ("otp", "totp") and last in ("code", "value", *_COUNTED)):
        return BY_KIND["token"]
    if last == "pin":
        return PIN
    if last in ("confirmation", "confirm") and before in _SECRETS:
        return BY_KIND["token"]
    if last in _SECURITY_CODES or (last in _COUNTED and before in ("card", "cc")) or last == "cardnumber":
        return BY_KIND["card"]
    if last in _PHONES or (last in _COUNTED and (before in _PHONES or before == "contact")):
        return BY_KIND["phone"]
    if last in ("email", "mail"):
        return BY_KIND["email"]
    if "card" in words:
        return PLAIN
    if last in _IDS:
        return ID
    if last in _AMOUNTS:
        return AMOUNT
    # A field of a form, as well as money.
    return MEASURE if last == "value" else PLAIN
