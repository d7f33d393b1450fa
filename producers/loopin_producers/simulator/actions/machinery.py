"""What an action costs the backend, and what breaks."""

from __future__ import annotations

from loopin_producers.simulator.visit import SITE, Visit

FAILS = 0.004
FAILS_IN_ANOMALY = 0.15
_ROUTES = (
    ("GET", "/api/events/{id}"),
    ("GET", "/api/feed"),
    ("POST", "/api/events/{id}/join"),
    ("GET", "/api/communities/{id}"),
    ("POST", "/api/messages"),
    ("GET", "/api/search"),
)


def requests(visit: Visit) -> None:
    """The API request of an action, and the error where it fails."""
    dice = visit.dice
    method, route = dice.pick(_ROUTES)
    trouble = visit.world.anomalies.active("error_rate", visit.at_ms)
    failed = dice.happens(FAILS_IN_ANOMALY if trouble else FAILS)
    status = dice.pick((500, 502, 503)) if failed else 404 if dice.happens(0.01) else 200
    duration_ms = round(85 * dice.spread(0.7) * (6 if failed else 1), 1)
    request = {"route": route, "method": method, "status": status, "duration_ms": duration_ms}
    visit.event("api_request", request)
    if failed:
        logged = {
            "level": "error",
            "message": f"{route} answered {status}",
            "url": SITE + route,
            "method": method,
        }
        visit.event("error_logged", logged)


def accidents(visit: Visit) -> None:
    """A crash or an exception, rarely."""
    dice = visit.dice
    if visit.device.device_type != "desktop" and dice.happens(0.006):
        visit.event("app_crashed", {"os": visit.device.os})
    if dice.happens(0.008):
        fault = {
            "type": dice.pick(("TypeError", "NetworkError", "RangeError")),
            "value": "undefined is not an object",
        }
        visit.event("$exception", {"$exception_list": [fault], "$exception_level": "error"})
