"""What the command line asks the API, which alone may open the embedded store."""

from __future__ import annotations

import csv
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from loopin_deploy.errors import DeployError

TIMEOUT_S = 60.0
ALL_DAYS = 3650
"""The longest range that the API takes; raw events are never kept longer."""


class _Answer(msgspec.Struct):
    """The envelope of the API's answers."""

    data: dict[str, Any]


class ApiClient:
    """A client of one project, by a key of it."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._key = key
        # A proxy of the environment cannot reach this machine's loopback address.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def overview(self, days: int = ALL_DAYS) -> dict[str, Any]:
        """The overview's fields."""
        return self._data(f"/api/analytics/overview?days={days}")

    def real_time(self) -> dict[str, Any]:
        """The last 30 minutes."""
        return self._data("/api/analytics/real-time")

    def health(self) -> dict[str, Any]:
        """State of the system's components."""
        return self._data("/api/analytics/health")

    def exported(self, days: int = ALL_DAYS) -> Iterator[dict[str, str]]:
        """Every stored event of the project as text by column, streamed."""
        with self._open(f"/api/analytics/export/events?format=csv&days={days}") as answer:
            yield from csv.DictReader(TextIOWrapper(answer, "utf-8", newline=""))

    def latency_ms(self) -> dict[str, float]:
        """Milliseconds from sending to queryable, by quantile ("0.5", "0.99")."""
        with self._open("/metrics") as answer:
            families = text_string_to_metric_families(answer.read().decode())
            return {
                sample.labels["quantile"]: 1000 * sample.value
                for family in families
                if family.name == "loopin_send_to_queryable_seconds"
                for sample in family.samples
            }

    def _data(self, path: str) -> dict[str, Any]:
        with self._open(path) as answer:
            body = answer.read()
        try:
            return msgspec.json.decode(body, type=_Answer).data
        except msgspec.DecodeError as error:
            raise DeployError(
                "api_not_ours",
                self._url,
                f"At {self._url} something else than the API answers: use its address.",
            ) from error

    @contextmanager
    def _open(self, path: str) -> Iterator[http.client.HTTPResponse]:
        request = urllib.request.Request(self._url + path, headers={"Authorization": f"Bearer {self._key}"})
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                yield answer
        except urllib.error.HTTPError as error:
            with error:
                raise DeployError(
                    "api_refused", path, f"The API answered {error.code} on {path}: see the store's log."
                ) from error
        except (OSError, http.client.HTTPException) as error:
            raise DeployError(
                "api_unreachable", self._url, f"The API at {self._url} does not answer ({error})."
            ) from error
