"""Where an IP address is, by a MaxMind-format file that the user supplies; city level at most."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, Final

import maxminddb
import structlog

from loopin_schemas.scores.impossible_travel import FARTHEST_KM
from loopin_streams.enrich.ip_address import LONGEST, parsed
from loopin_streams.kafka.errors import RefusedToOpen

log = structlog.get_logger(__name__)

CACHED: Final = 16_384
"""Addresses whose place is remembered: at most 16 MB."""

CHECK_EVERY_S: Final = 60.0
"""Shortest time between two looks whether the file was replaced."""

PLACES: Final = 1
"""Decimals of a degree that are kept: 11 km."""

_LONGEST: Final = 200
"""Characters of the longest name."""

Place = Mapping[str, str | float]


class Geo:
    """Places of addresses; a file that is replaced is opened anew within a minute.

    Safe to share between threads. ``clock`` counts seconds.

    Raises:
        RefusedToOpen: ``geoip_unreadable``: there is no such file, or it is none of its kind.
    """

    def __init__(self, file: Path, clock: Callable[[], float] = monotonic) -> None:
        self._file = file
        self._clock = clock
        self._lock = Lock()
        self._checked_at = clock()
        self._known_as = _identity(file)
        self._place_of = self._open()

    def place_of(self, ip: str) -> Place:
        """``$geoip_country_code`` and the like of a public address; empty where nothing is known of it.

        Shared, not to be changed.
        """
        if self._clock() - self._checked_at >= CHECK_EVERY_S:
            self._look()
        return self._place_of(ip) if len(ip) <= LONGEST else {}

    def _open(self) -> Callable[[str], Place]:
        try:
            # Mapped, not read: several workers on a machine share its pages.
            reader = maxminddb.open_database(self._file, maxminddb.MODE_AUTO)
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            raise _unreadable(self._file, error) from error

        has_v6 = reader.metadata().ip_version == 6

        @lru_cache(CACHED)
        def place_of(ip: str) -> Place:
            address = parsed(ip)
            # A network of one's own is nowhere.
            if address is None or not address.is_global or (address.version == 6 and not has_v6):
                return {}
            return _place(reader.get(address))

        return place_of

    def _look(self) -> None:
        with self._lock:
            if self._clock() - self._checked_at < CHECK_EVERY_S:
                return
            self._checked_at = self._clock()
            try:
                known_as = _identity(self._file)
                if known_as == self._known_as:
                    return
                self._place_of = self._open()
                self._known_as = known_as
            except RefusedToOpen as error:
                # The old one is still there; a file is often replaced by being written anew.
                log.warning("geoip_not_reloaded", reason=str(error))


def _unreadable(file: Path, error: Exception) -> RefusedToOpen:
    return RefusedToOpen(
        "geoip_unreadable",
        f"LOOPIN_GEOIP_DB names {file}, which cannot be read as a MaxMind database ({error}): give the path "
        "of a .mmdb file, or leave the setting out.",
    )


def _identity(file: Path) -> tuple[int, int, int]:
    try:
        found = os.stat(file)
    except OSError as error:
        raise _unreadable(file, error) from error
    return found.st_ino, found.st_size, found.st_mtime_ns


def _place(record: Any) -> Place:
    """Country, first subdivision and city, where that is and what its clocks show; nothing closer."""
    if not isinstance(record, dict):
        return {}
    country = record.get("country") or record.get("registered_country")
    divisions = record.get("subdivisions")
    found = {
        "$geoip_country_code": _text(country, "iso_code"),
        "$geoip_country_name": _name(country),
        "$geoip_subdivision_1_name": _name(divisions[0])
        if isinstance(divisions, list) and divisions
        else None,
        "$geoip_city_name": _name(record.get("city")),
    }
    location = record.get("location")
    found["$geoip_time_zone"] = _text(location, "time_zone")
    named: dict[str, str | float] = {name: value for name, value in found.items() if value}
    return named | _coordinates(location)


def _coordinates(location: Any) -> dict[str, float]:
    """Degrees, rounded so that they tell no more than a city, and how far that may be off, km."""
    latitude, longitude = _number(location, "latitude", 90), _number(location, "longitude", 180)
    if latitude is None or longitude is None:
        return {}
    found = {"$geoip_latitude": round(latitude, PLACES), "$geoip_longitude": round(longitude, PLACES)}
    radius = _number(location, "accuracy_radius", FARTHEST_KM)
    return found if radius is None or radius < 0 else found | {"$geoip_accuracy_radius": radius}


def _number(of: Any, name: str, most: float) -> float | None:
    found = of.get(name) if isinstance(of, dict) else None
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return None
    return found if abs(found) <= most else None


def _name(of: Any) -> str | None:
    names = of.get("names") if isinstance(of, dict) else None
    return _text(names, "en")


def _text(of: Any, name: str) -> str | None:
    found = of.get(name) if isinstance(of, dict) else None
    return found[:_LONGEST] if isinstance(found, str) else None
