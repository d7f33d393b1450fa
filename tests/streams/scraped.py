"""What a role says over HTTP, read by Prometheus's own parser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.streams.installation import Worker, wait_until


class Scraped(NamedTuple):
    """The samples of one scrape."""

    samples: list[Sample]

    @classmethod
    def of(cls, text: str) -> Scraped:
        """Those of an exposition."""
        return cls([sample for family in text_string_to_metric_families(text) for sample in family.samples])

    def total(self, name: str, **labels: str) -> float | None:
        """Sum of the samples with these labels; None where there are none."""
        found = [s.value for s in self.samples if s.name == name and labels.items() <= s.labels.items()]
        return sum(found) if found else None

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Sums by another label."""
        values = {
            s.labels[label] for s in self.samples if s.name == name and labels.items() <= s.labels.items()
        }
        return {value: self.total(name, **labels, **{label: value}) or 0.0 for value in values}


def address(worker: Worker) -> str:
    """Where a worker listens that took a free port, once it has said so."""
    port = re.compile(r"health_port\W*?=\W*?(\d+)")
    wait_until(lambda: port.search(_plain(worker.log)), "the worker says where it listens")
    found = port.search(_plain(worker.log))
    assert found is not None
    return f"http://127.0.0.1:{found.group(1)}"


def _plain(log: Path) -> str:
    """A log without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", log.read_text()) if log.exists() else ""
