"""From an HTTP request to an event's properties: pure functions that the web frameworks' integrations share.

User agents are passed on unread, because the stream parses them. Paths leave as their route's pattern: they
hold ids, and what opens something. Of a query only the campaign leaves: queries hold what people typed, and
tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_plus, urlencode, urlsplit

from loopin_producers.client_address import IpPrivacy, client_address, kept_address

Excluded = Sequence[str | re.Pattern[str]]
"""Paths that are not captured, with all below them (``/health`` is not ``/healthcare``), and patterns that
are searched for."""

UNMATCHED = "(unmatched)"
"""Route of a request that no route was found for; its path is anything a stranger likes."""

CLIENT_CLOSED_REQUEST = 499
"""nginx's status of a request whose client left before the answer."""

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
_CAMPAIGN = {"utm_source": "campaign_source", "utm_medium": "campaign_medium"}
"""The documents' names beside PostHog's."""

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
        prefix: path at which the application is mounted, "" for the root; no part of its routes.
        query: without the question mark, still encoded.
        peer: address of the connection.
        header: the value of a header by its lower-case name.
    """

    scheme: str
    host: str
    prefix: str
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
        own = (request.host, header("x-forwarded-host") or "")
        found.update(_referrer(referrer[:_MAX_URL], own))
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


def current_url(request: HttpRequest, route: str | None, properties: Mapping[str, Any]) -> str:
    """The address of the request's route: its pattern stands for the path, of the query the campaign remains.

    Args:
        route: pattern below the prefix, with its slash; None where no route was found.
        properties: what ``request_properties`` found.
    """
    url = f"{request.scheme}://{request.host}{_path(request.prefix, route)}"
    if utm := tuple([(name, properties[name]) for name in UTM if name in properties]):
        url += f"?{_query(utm)}"
    return plain(url, _MAX_URL)


@lru_cache(1024)
def _path(prefix: str, route: str | None) -> str:
    """As an address may hold it: a question mark of a regular expression begins no query."""
    return quote(prefix + (f"/{UNMATCHED}" if route is None else route), safe=_SAFE, errors="replace")


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
    """Whether a path is one of those, or below it."""
    paths = [one for one in excluded if isinstance(one, str)]
    patterns = tuple(one for one in excluded if not isinstance(one, str))
    exact, below = frozenset(paths), tuple(one if one.endswith("/") else f"{one}/" for one in paths)
    return lambda path: path in exact or path.startswith(below) or any(one.search(path) for one in patterns)


def plain(text: str, longest: int) -> str:
    """The text's beginning, without characters that no event may hold."""
    cut = text[:longest]
    return cut if cut.isprintable() else _CONTROL.sub("", cut)


_SAFE = "/:@!$&'()*+,;=~-._[]<>{}"
"""What stays as it is in a path (RFC 3986), and the brackets of parameters and of ``[0-9]``."""


@lru_cache(1024)
def _referrer(referrer: str, own: tuple[str, ...]) -> Mapping[str, str]:
    """Address and domain without query, fragment and user; of our ``own`` hosts without the path, too.

    Those paths hold ids, and to look up their routes would cost each request what its own look-up costs.
    """
    try:
        parts = urlsplit(_CONTROL.sub("", referrer))
        domain = parts.hostname
    except ValueError:  # e.g. a bracket without its pair
        return {}
    if not domain or parts.scheme not in ("http", "https"):
        return {}
    host = parts.netloc.rpartition("@")[2]
    ours = {_hostname(host.strip()) for named in own for host in named.split(",")}
    path = "/" if domain in ours else parts.path
    return {"$referrer": f"{parts.scheme}://{host}{path}", "$referring_domain": domain}


def _hostname(host: str) -> str | None:
    """Of ``host:port``, in lower case."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
