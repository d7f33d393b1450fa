"""What the command line asks the API, which alone may open the embedded store."""

from __future__ import annotations

import csv
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
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

    data: dict[str, Any] | list[dict[str, Any]]


class _Detail(msgspec.Struct):
    field: str | None
    reason: str


class _Refusal(msgspec.Struct):
    """The envelope of its errors."""

    error: str
    details: list[_Detail] = []


class ApiClient:
    """A client of one project, by a key of it."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._key = key
        # A proxy of the environment cannot reach this machine's loopback address.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def overview(self, days: int = ALL_DAYS) -> dict[str, Any]:
        """The overview's fields."""
        return self._object(f"/api/analytics/overview?days={days}")

    def real_time(self) -> dict[str, Any]:
        """The last 30 minutes."""
        return self._object("/api/analytics/real-time")

    def health(self) -> dict[str, Any]:
        """State of the system's components."""
        return self._object("/api/analytics/health")

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What stands in ``data`` of the answer; ``body`` is sent as JSON."""
        return self._data(path, method, None if body is None else msgspec.json.encode(body))

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

    def _object(self, path: str) -> dict[str, Any]:
        found = self._data(path)
        if not isinstance(found, dict):
            raise self._not_ours()
        return found

    def _data(
        self, path: str, method: str = "GET", sent: bytes | None = None
    ) -> dict[str, Any] | list[dict[str, Any]]:
        with self._open(path, method, sent) as answer:
            body = answer.read()
        try:
            return msgspec.json.decode(body, type=_Answer).data
        except msgspec.DecodeError as error:
            raise self._not_ours() from error

    def _not_ours(self) -> DeployError:
        return DeployError(
            "api_not_ours",
            self._url,
            f"At {self._url} something else than the API answers: use its address.",
        )

    @contextmanager
    def _open(
        self, path: str, method: str = "GET", sent: bytes | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        headers = {"Authorization": f"Bearer {self._key}"}
        if sent is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self._url + path, sent, headers, method=method)
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                yield answer
        except urllib.error.HTTPError as error:
            with error:
                raise DeployError("api_refused", path, _reason(error, path)) from error
        except (OSError, http.client.HTTPException) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            said = getattr(cause, "strerror", None) or cause
            sentence = (
                f"The API at {self._url} does not answer ({said}): see whether it runs at this address."
            )
            raise DeployError("api_unreachable", self._url, sentence) from error


def _reason(error: urllib.error.HTTPError, path: str) -> str:
    """What the API says of a refusal; where it says nothing, its status."""
    try:
        said = msgspec.json.decode(error.read(), type=_Refusal)
    except (msgspec.DecodeError, OSError, http.client.HTTPException):
        return f"The API answered {error.code} on {path}: see the store's log."
    if not said.details:
        return said.error
    return " ".join(f"{each.field}: {each.reason}" if each.field else each.reason for each in said.details)
