"""The API's own Prometheus metrics, one registry for an application."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Instruments:
    """Counters, gauges and histograms; labels are routes, never paths, so that their number is bounded."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "loopin_api_requests", "Requests answered", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "loopin_api_request_seconds",
            "Time from a request to the end of its answer",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.open_requests = Gauge(
            "loopin_api_open_requests", "Requests being answered", registry=self.registry
        )
        self.accepted = Counter(
            "loopin_api_events_accepted", "Events the broker acknowledged", registry=self.registry
        )
        self.unacknowledged = Counter(
            "loopin_api_events_unacknowledged",
            "Events the broker did not acknowledge in time, and that are not kept either",
            registry=self.registry,
        )
        self.spooled = Counter(
            "loopin_api_events_spooled",
            "Events kept on disk until the broker has them",
            registry=self.registry,
        )
        self.refused = Counter(
            "loopin_api_events_refused",
            "Events refused for good, by the code of their receipt",
            ("code",),
            registry=self.registry,
        )
        self.exported_rows = Counter("loopin_api_exported_rows", "Rows of exports", registry=self.registry)

        self.live_clients = Gauge(
            "loopin_api_live_clients",
            "Clients of the live feed, by how they listen",
            ("way",),
            registry=self.registry,
        )
        self.live_messages = Counter(
            "loopin_api_live_messages", "Messages given to them, by kind", ("kind",), registry=self.registry
        )
        self.live_resets = Counter(
            "loopin_api_live_resets",
            "Clients told to begin anew, by reason",
            ("reason",),
            registry=self.registry,
        )
        self.live_kept = Gauge(
            "loopin_api_live_kept_bytes",
            "About what the live feed keeps, so that clients may come back",
            registry=self.registry,
        )

    def exposition(self) -> bytes:
        """All of them in Prometheus's text format."""
        return generate_latest(self.registry)
