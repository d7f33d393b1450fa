"""From an HTTP request to an event's properties: pure functions that the web frameworks' integrations share.

User agents are passed on unread, because the stream parses them; of a query only the campaign leaves, because
queries hold what people typed, and tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_plus, urlencode, urlsplit

from loopin_producers.client_address import IpPrivacy, client_address, kept_address

Excluded = Sequence[str | re.Pattern[str]]
"""Paths that are not captured: prefixes, and patterns that are searched for."""

UNMATCHED = "(unmatched)"
"""Route of a request that no route was found for; its path is anything a stranger likes."""

CLIENT_CLOSED_REQUEST = 499
"""nginx's status of a request whose client left before the answer."""

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
_CAMPAIGN = {"utm_source": "campaign_source", "utm_medium": "campaign_medium"}
"""The documents' names beside PostHog's."""

SECRET_PARAMETERS = frozenset({"token", "uidb64", "key", "secret", "signature", "code", "password"})
"""Path parameters that open something, such as a link to reset a password."""

_MAX_URL = 1000
_MAX_USER_AGENT = 500
_MAX_CAMPAIGN = 200
_MAX_QUERY = 4000
_MAX_METHOD = 20
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class HttpRequest(NamedTuple):
    """A request, whatever the framework.

    Attributes:
        scheme: http or https.
        host: as the client named it, with its port.
        path: decoded, starting with a slash.
        query: without the question mark, still encoded.
        peer: address of the connection.
        header: the value of a header by its lower-case name.
    """

    scheme: str
    host: str
    path: str
    query: str
    peer: str | None
    header: Callable[[str], str | None]


def request_properties(request: HttpRequest, privacy: IpPrivacy, trusted_proxies: int) -> dict[str, Any]:
    """What a request says of its sender's device and where they came from; absent things are left out."""
    header = request.header
    found: dict[str, Any] = {}
    if agent := header("user-agent"):
        found["$raw_user_agent"] = plain(agent, _MAX_USER_AGENT)
    if ip := kept_address(address_of(request, trusted_proxies), privacy):
        found["$ip"] = ip
    if referrer := header("referer"):
        found.update(_referrer(referrer[:_MAX_URL]))
    if "utm_" in request.query:
        found.update(_known_campaign(request.query[:_MAX_QUERY]))
    return found


def address_of(request: HttpRequest, trusted_proxies: int) -> str | None:
    """The client's address, see ``client_address``."""
    return client_address(request.peer, request.header("x-forwarded-for"), trusted_proxies)


def campaign(query: str) -> dict[str, str]:
    """The utm parameters of a query, the first of each, and the documents' names for them."""
    found: dict[str, str] = {}
    for pair in query[:_MAX_QUERY].split("&"):
        name, _, value = pair.partition("=")
        # Only these are decoded: `parse_qsl` would take longer than all the rest of a request's reading.
        if name in UTM and name not in found and (text := plain(unquote_plus(value), _MAX_CAMPAIGN)):
            found[name] = text
    found.update({ours: found[utm] for utm, ours in _CAMPAIGN.items() if utm in found})
    return found


_known_campaign = lru_cache(1024)(campaign)


def current_url(request: HttpRequest, parameters: Mapping[str, object], properties: Mapping[str, Any]) -> str:
    """The request's address; of its query the campaign remains, of its path no parameter that is a secret.

    Args:
        parameters: the path's parameters by name.
        properties: what ``request_properties`` found.
    """
    path = request.path
    for name, value in parameters.items():
        if name.lower() in SECRET_PARAMETERS and (text := str(value)):
            path = path.replace(text, "[token]")
    if not _SAFE_PATH.fullmatch(path):
        path = quote(path, safe=_SAFE)
    url = f"{request.scheme}://{request.host}{path}"
    if utm := tuple([(name, properties[name]) for name in UTM if name in properties]):
        url += f"?{_query(utm)}"
    return plain(url, _MAX_URL)


@lru_cache(256)
def _query(parameters: tuple[tuple[str, str], ...]) -> str:
    return urlencode(parameters)


def answered(route: str | None, method: str | None, status: int, duration_s: float) -> dict[str, Any]:
    """The catalogue's properties of ``api_request``."""
    return {
        "route": plain(route, _MAX_URL) if route else UNMATCHED,
        "method": plain(method or "", _MAX_METHOD),
        "status": status,
        "duration_ms": round(duration_s * 1000, 3),
    }


def path_filter(excluded: Excluded) -> Callable[[str], bool]:
    """Whether a path is one of those."""
    prefixes = tuple(one for one in excluded if isinstance(one, str))
    patterns = tuple(one for one in excluded if not isinstance(one, str))
    return lambda path: path.startswith(prefixes) or any(one.search(path) for one in patterns)


def plain(text: str, longest: int) -> str:
    """The text's beginning, without characters that no event may hold."""
    cut = text[:longest]
    return cut if cut.isprintable() else _CONTROL.sub("", cut)


_SAFE = "/:@!$&'()*+,;=~-._[]"
"""What stays as it is in a path (RFC 3986), and the brackets of ``[token]``."""

_SAFE_PATH = re.compile(rf"[A-Za-z0-9{re.escape(_SAFE)}]*+")
"""A path that ``quote`` leaves as it is, which takes it much longer to find out."""


@lru_cache(1024)
def _referrer(referrer: str) -> Mapping[str, str]:
    """Address and domain without query, fragment and user."""
    try:
        parts = urlsplit(_CONTROL.sub("", referrer))
        domain = parts.hostname
    except ValueError:  # e.g. a bracket without its pair
        return {}
    if not domain or parts.scheme not in ("http", "https"):
        return {}
    host = parts.netloc.rpartition("@")[2]
    return {"$referrer": f"{parts.scheme}://{host}{parts.path}", "$referring_domain": domain}
