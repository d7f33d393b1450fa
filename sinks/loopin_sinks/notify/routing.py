"""Which channels are told of a record of an alert."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase

from loopin_schemas.alert import Alert
from loopin_sinks.notify.channels_file import Route


def channels_for(alert: Alert, routes: Iterable[Route]) -> tuple[str, ...]:
    """Names of the channels, each once, in the order of the routes.

    Nobody is told of an alert that is silenced, that has never fired, or whose silence has ended while
    somebody looks after it.
    """
    if alert.silenced or alert.fired_at is None:
        return ()
    if alert.event == "unsilenced" and alert.state != "firing":
        return ()
    return tuple(dict.fromkeys(route.channel for route in routes if takes(route, alert)))


def takes(route: Route, alert: Alert) -> bool:
    """Whether an alert goes this way."""
    return (
        route.enabled
        and alert.event in route.events
        and alert.severity in route.severities
        and _any(route.projects, alert.project)
        and _any(route.rules, alert.rule)
        and _any(route.metrics, alert.metric)
        and _all(route.dimensions, alert.dimensions)
        and _all(route.labels, alert.labels)
    )


def _any(patterns: Iterable[str], text: str) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def _all(wanted: Mapping[str, Collection[str]], found: Mapping[str, str]) -> bool:
    return all(found.get(name) in values for name, values in wanted.items())
