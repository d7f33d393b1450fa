"""Where a request came from: the client's address, and whether the client is a person's own device."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from starlette.requests import HTTPConnection

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_USER_AGENT: Final = 1_000
"""Longer headers are no browser's; in characters."""

_CLIENT_LIBRARIES: Final = (
    "loopin.js",
    "posthog-ios",
    "posthog-android",
    "posthog-flutter",
    "posthog-react-native",
    "posthog-unity",
    "posthog-js-lite",
    # Segment's and RudderStack's
    "analytics.js",
    "npm:@segment/analytics",
    "@segment/analytics-next",
    "@segment/analytics-react-native",
    "analytics-ios",
    "analytics-android",
    "analytics-swift",
    "analytics-kotlin",
    "analytics-flutter",
    "rudderlabs javascript sdk",
    "rudder-ios-library",
    "com.rudderstack",
    "rudder-flutter-library",
)
"""Beginnings of the names, in lower case, of libraries that run in a browser or an app."""

_SERVER_LIBRARIES: Final = (
    "posthog-python",
    "posthog-node",
    "posthog-php",
    "posthog-ruby",
    "posthog-go",
    "posthog-java",
    "posthog-server",
    "posthog-rs",
    "posthog-elixir",
    "posthog-dotnet",
    "posthog.net",
    "posthog-edge",
    # Segment's and RudderStack's
    "analytics-python",
    "analytics-node",
    "analytics-php",
    "analytics-ruby",
    "analytics-go",
    "analytics-java",
    "analytics-rust",
    "analytics.net",
    "analytics-csharp",
    "@segment/analytics-node",
    "rudder-sdk-python",
    "rudder-sdk-node",
    "rudder-sdk-php",
    "rudder-sdk-ruby",
    "rudder-sdk-go",
    "rudder-sdk-java",
    "rudder-sdk-rust",
    "@rudderstack/rudder-sdk-node",
    "rudder-analytics-",
    "rudderanalytics",
    "rudder-server",
)
"""The same of libraries that run on a server, whatever user agent they send."""

_POSTHOG_JS: Final = frozenset({"web", "js"})
"""What posthog-js and posthog-js-lite call themselves."""


class Connection(NamedTuple):
    """The client's end of a request.

    ``address`` is None where it is not known, ``browser`` tells whether a page sent the request.
    """

    address: str | None
    user_agent: str | None
    browser: bool

    def properties(self, library: object, given: dict[str, Any]) -> dict[str, Any]:
        """``$ip`` and ``$raw_user_agent`` for an event of a person's device that does not say them itself.

        A server's own address and user agent say nothing about its users, so its events get neither.
        """
        if given.get("$is_server") is True or _begins(library, _SERVER_LIBRARIES):
            return {}
        if not (self.browser or _is_client(library)):
            return {}
        known = {"$ip": self.address, "$raw_user_agent": self.user_agent}
        return {name: value for name, value in known.items() if value is not None and name not in given}


def _is_client(library: object) -> bool:
    return (isinstance(library, str) and library in _POSTHOG_JS) or _begins(library, _CLIENT_LIBRARIES)


def _begins(library: object, names: tuple[str, ...]) -> bool:
    return isinstance(library, str) and library[:64].lower().startswith(names)


def connection(request: HTTPConnection, trusted: Sequence[Network]) -> Connection:
    """The client's end of a request; what proxies say counts only of those trusted."""
    headers = request.headers
    user_agent = headers.get("user-agent", "")[:MAX_USER_AGENT] or None
    # Not by Sec-Fetch-Mode: Node.js sends it too.
    browser = "origin" in headers or (user_agent or "").startswith("Mozilla/")
    peer = request.client.host if request.client else None
    return Connection(client_address(peer, headers.getlist("x-forwarded-for"), trusted), user_agent, browser)


def client_address(peer: str | None, forwarded: Sequence[str], trusted: Sequence[Network]) -> str | None:
    """The first address, going back from the connection, that is no trusted proxy's."""
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    address = _parsed(peer)
    while address is not None and hops and any(address in network for network in trusted):
        further = _parsed(hops.pop())
        if further is None:
            break
        address = further
    return None if address is None else str(address)


def _parsed(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address((text or "").strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped or address
