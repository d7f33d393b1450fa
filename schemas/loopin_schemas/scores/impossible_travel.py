"""How fast somebody must have moved to be where two events say."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import Final

SPEED_LIMIT_KMH: Final = 1000.0
"""Faster nobody travels: airliners cruise at about 900 km/h (Boeing 787: Mach 0.85 at 35,000 ft)."""

EARTH_RADIUS_KM: Final = 6371.0088
"""Mean radius R1 of the Earth (H. Moritz, Geodetic Reference System 1980, Journal of Geodesy 74, 2000)."""

LEAST_S: Final = 60.0
"""Two events count as so far apart in time, seconds, at the least: clocks of two clients may differ."""

UNKNOWN_KM: Final = 50.0
"""How far off a place may be whose accuracy is not told: a large city's extent."""

FARTHEST_KM: Final = 20_016.0
"""Half of the Earth's circumference."""

LOOKBACK_S: Final = FARTHEST_KM / SPEED_LIMIT_KMH * 3600
"""From any place to any other within the limit: an event longer ago makes no speed impossible."""


def great_circle_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """The shortest way over the Earth's surface between two places, each (latitude, longitude) in degrees.

    The haversine formula (R. W. Sinnott, Virtues of the Haversine, Sky and Telescope 68, 1984), on a sphere;
    at most 0.6 % off the ellipsoid.
    """
    (lat_a, lon_a), (lat_b, lon_b) = (tuple(map(radians, each)) for each in (a, b))
    h = sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin((lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(h)))


def travel_speed(distance_km: float, seconds: float, off_km: float = 2 * UNKNOWN_KM) -> float:
    """The least speed, km/h, at which somebody can have moved between two places in a time.

    ::

        speed = max(0, distance - off) / max(seconds, 60) * 3600

    where ``off_km`` is how far both places may be off together. From ``SPEED_LIMIT_KMH`` on it is impossible:

    - Mumbai to Pune, 125 km in 2 hours, 20 km off: 52.5 km/h, a drive.
    - Mumbai to London, 7,189 km in 10 hours, 100 km off: 708.9 km/h, a flight.
    - Berlin to New York, 6,386 km in one hour, 100 km off: 6,286 km/h, impossible.

    Args:
        distance_km: great-circle distance, from 0 on.
        seconds: between both events, from 0 on.
        off_km: sum of both accuracies, from 0 on.
    """
    return max(0.0, distance_km - off_km) / max(seconds, LEAST_S) * 3600
