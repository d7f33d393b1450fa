"""Segment's ``context``, what surrounded an event, as properties under PostHog's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_FLAT: Final = {
    "ip": "$ip",
    "userAgent": "$raw_user_agent",
    "locale": "$locale",
    "timezone": "$timezone",
    "sessionId": "$session_id",
}
_NESTED: Final[Mapping[str, Mapping[str, str]]] = {
    "campaign": {
        "name": "utm_campaign",
        "source": "utm_source",
        "medium": "utm_medium",
        "term": "utm_term",
        "content": "utm_content",
    },
    "page": {"url": "$current_url", "path": "$pathname", "referrer": "$referrer", "title": "title"},
    "library": {"name": "$lib", "version": "$lib_version"},
    "os": {"name": "$os", "version": "$os_version"},
    "device": {
        "id": "$device_id",
        "manufacturer": "$device_manufacturer",
        "model": "$device_model",
        "name": "$device_name",
    },
    "app": {
        "name": "$app_name",
        "version": "$app_version",
        "build": "$app_build",
        "namespace": "$app_namespace",
    },
    "screen": {"width": "$screen_width", "height": "$screen_height"},
    "network": {
        "carrier": "$network_carrier",
        "wifi": "$network_wifi",
        "cellular": "$network_cellular",
    },
    "location": {"country": "country", "city": "city"},
}
REST: Final = "$context"
"""Property that holds what has no name of its own."""

_ELSEWHERE: Final = frozenset({"traits", "groupId"})
"""Of these the message's own mapping makes something."""


def context_properties(context: Mapping[str, Any]) -> dict[str, Any]:
    """The properties that a context gives; nulls and empty parts give none."""
    properties: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, value in context.items():
        names = _NESTED.get(name)
        if name in _FLAT:
            properties[_FLAT[name]] = value
        elif names is not None and isinstance(value, dict):
            properties.update({names[key]: item for key, item in value.items() if key in names})
            if left := {key: item for key, item in value.items() if key not in names}:
                rest[name] = left
        elif name not in _ELSEWHERE:
            rest[name] = value
    if rest:
        properties[REST] = rest
    return {name: value for name, value in properties.items() if value is not None}
