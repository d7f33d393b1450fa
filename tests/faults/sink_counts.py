"""How far a sink says that it has come, as Prometheus reads it."""

from __future__ import annotations

import urllib.request
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from tests.faults.processes import Process

TIMEOUT_S = 10.0
READ, ROWS = "loopin_sink_records_read_total", "loopin_sink_rows_total"


class SinkCounts(NamedTuple):
    """Events that one process has consumed, and stored."""

    read: int
    stored: int

    @property
    def waiting(self) -> int:
        """Events that it holds."""
        return self.read - self.stored


def sink_counts(sink: Process) -> SinkCounts:
    """What a sink has done since its process began."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(sink.ready_url.replace("/readyz", "/metrics"), timeout=TIMEOUT_S) as answer:
        text = answer.read().decode()
    found = {
        sample.name: int(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("table") == "events"
    }
    return SinkCounts(found[READ], found[ROWS])
