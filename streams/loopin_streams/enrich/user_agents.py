"""What a user agent says of the browser, the system and the device, under PostHog's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import ua_parser
from ua_parser import OS, UserAgent

NAMES: Final = ("$raw_user_agent", "user_agent", "$user_agent")
"""Properties that hold the visitor's user agent, the first that is there."""

USER_AGENTS: Final = frozenset(NAMES)

LONGEST: Final = 1024
"""Characters of a user agent that are looked at; real ones have up to some 500."""

CACHED: Final = 4096
"""User agents whose meaning is remembered: at most 16 MB."""

_BROWSERS: Final = {
    "Chrome Mobile": "Chrome",
    "Chrome Mobile WebView": "Chrome",
    "Chrome Mobile iOS": "Chrome iOS",
    "Edge": "Microsoft Edge",
    "Edge Mobile": "Microsoft Edge",
    "Firefox Mobile": "Firefox",
    "IE": "Internet Explorer",
    "IE Mobile": "Internet Explorer Mobile",
    "Opera Mobile": "Opera",
    "Opera Mini": "Opera Mini",
}
"""ua-parser's names as posthog-js spells them; others are alike."""

_TV: Final = (
    r"smart-?tv|hbbtv|apple ?tv|google ?tv|android tv|\baft[a-z]{1,4}\b|bravia|roku|crkey|web0s|netcast"
    r"|viera|philipstv|dtv"
)
_TABLET: Final = r"ipad|tablet(?! pc)|kindle|playbook|\bsilk\b(?!.*mobile)|nexus (?:7|9|10)\b"
_MOBILE: Final = r"mobi|iphone|ipod|windows phone|blackberry|bb10|symbian|kaios|opera mini"

_KINDS: Final = tuple(
    (kind, re.compile(form, re.IGNORECASE))
    for kind, form in (
        ("TV", _TV),
        ("Console", r"nintendo|playstation|xbox"),
        ("Wearable", r"watch ?os|apple ?watch|wear ?os|sm-r\d{3}|galaxy watch"),
        ("Tablet", _TABLET),
        ("Mobile", _MOBILE),
        # An Android that does not say Mobile is a tablet: Google's own rule for Chrome.
        ("Tablet", "android"),
        ("Desktop", r"windows|macintosh|mac os x|x11|linux|cros"),
    )
)
"""By the first form that is found."""


def user_agent_of(properties: Mapping[str, Any]) -> str | None:
    """The visitor's user agent, as the client reported it."""
    if properties.keys().isdisjoint(USER_AGENTS):
        return None
    for name in NAMES:
        found = properties.get(name)
        if found.__class__ is str and found:
            return str(found)
    return None


def described(user_agent: str) -> dict[str, str]:
    """``$browser``, ``$browser_version``, ``$os``, ``$os_version``, ``$device``, ``$device_type``.

    Only what is known; of the first 1,024 characters. Shared, not to be changed.
    """
    return _described(user_agent[:LONGEST])


@lru_cache(CACHED)
def _described(user_agent: str) -> dict[str, str]:
    parsed = ua_parser.parse(user_agent)
    browser, system, device = parsed.user_agent, parsed.os, parsed.device
    found = {
        "$browser": _BROWSERS.get(browser.family, browser.family) if browser else None,
        "$browser_version": _version(browser),
        "$os": system.family if system else None,
        "$os_version": _version(system),
        "$device": device.family if device else None,
        "$device_type": device_type(user_agent),
    }
    return {name: value for name, value in found.items() if value}


def device_type(user_agent: str) -> str | None:
    """Desktop, Mobile, Tablet, Console, TV, Wearable, or None."""
    return next((kind for kind, form in _KINDS if form.search(user_agent)), None)


def _version(of: UserAgent | OS | None) -> str | None:
    if of is None or of.major is None:
        return None
    return ".".join(part for part in (of.major, of.minor, of.patch) if part)
