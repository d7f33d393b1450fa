"""What an event says of its place and device, and which number of its session it raises."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import nan
from typing import Any, Final
from zlib import crc32

from loopin_schemas.scores.impossible_travel import FARTHEST_KM, UNKNOWN_KM
from loopin_schemas.watch import COUNTS, Place

BITS: Final = 60
"""Of a bit set: different things whose bits are alike count once."""

_LATITUDE, _LONGITUDE, _RADIUS = "$geoip_latitude", "$geoip_longitude", "$geoip_accuracy_radius"

_GREATEST: Final = 100_000
"""Of coordinates and distances nothing is more."""

_COUNTED: Final[dict[str, tuple[str, ...]]] = {
    "pages": ("$pageview", "$screen"),
    "views": ("event_viewed", "content_viewed", "community_viewed"),
    "social": (
        *("content_liked", "content_commented", "content_shared", "message_sent", "user_followed"),
        *("community_joined", "community_activity", "event_joined"),
    ),
    "bought": ("ticket_purchased", "payment_succeeded"),
    "failed": ("payment_failed",),
    "errors": ("$exception", "app_crashed", "login_failed", "otp_failed", "geo_bypass_detected"),
    "parting": (
        *("payment_refunded", "payment_disputed", "event_left", "community_left", "user_unfollowed"),
        "account_deleted",
    ),
}
COUNT_OF: Final = {name: COUNTS.index(kind) for kind, names in _COUNTED.items() for name in names}
"""Place in ``COUNTS`` of what an event is beside being one."""


READ: Final = frozenset({_LATITUDE, "$device_id", "$os", "os"})
"""An event with none of these properties says nothing of its place and device."""


@lru_cache(8192)
def fact(name: str) -> tuple[int, int]:
    """Of an event's name: its bit, and the place in ``COUNTS`` of what it is beside being one, or 0."""
    return bit(name), COUNT_OF.get(name, 0)


@lru_cache(8192)
def bit(text: str) -> int:
    """The bit of a text in a bit set."""
    return 1 << crc32(text.encode(errors="replace")) % BITS


@lru_cache(8192)
def device_number(*names: str) -> int:
    """A number for a device, never 0."""
    return crc32("|".join(names).encode(errors="replace")) or 1


def device_of(properties: Mapping[str, Any]) -> int:
    """The device by its id, or by system, browser and kind; 0 where the event does not say these.

    Both of the latter are needed: a server's event that names a system only is of no other device.
    """
    device = properties.get("$device_id")
    if device.__class__ is str and device:
        return device_number(device[:200])
    system = properties.get("$os") or properties.get("os")
    browser = properties.get("$browser") or properties.get("browser")
    if system.__class__ is not str or browser.__class__ is not str:
        return 0
    kind = properties.get("$device_type") or properties.get("device_type")
    return device_number(system[:100], browser[:100], kind[:100] if kind.__class__ is str else "")


def place_of(properties: Mapping[str, Any], at: int) -> Place | None:
    """Where the event of epoch ms ``at`` comes from; None where it does not say so, or what cannot be."""
    latitude, longitude = _number(properties.get(_LATITUDE)), _number(properties.get(_LONGITUDE))
    # What is no number is not within either.
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return None
    off = _number(properties.get(_RADIUS))
    return Place(latitude, longitude, off if 0 <= off <= FARTHEST_KM else UNKNOWN_KM, at)


def _number(value: Any) -> float:
    if value.__class__ is float:
        found: float = value
        return found
    return float(value) if value.__class__ is int and abs(value) < _GREATEST else nan
