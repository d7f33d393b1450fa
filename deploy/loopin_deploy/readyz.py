"""What a role says of its own readiness, asked over HTTP."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Final
from urllib.parse import urlencode

from loopin_streams.readiness import LAG, PARTITIONS, REFUSED

TIMEOUT_S: Final = 3.0

UNANSWERED: Final = (OSError, http.client.HTTPException, ValueError)
"""What is raised where no role answers."""


def fetch(url: str, key: str = "") -> tuple[int, str]:
    """Status and body of an answer, whatever its status; ``key`` opens an API.

    Raises:
        OSError, HTTPException, ValueError: nobody answers, or not in text.
    """
    # A proxy of the environment cannot reach this machine's loopback address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(errors="replace")


def why(code: int, body: str) -> str | None:
    """What an answer of ``/readyz`` gives as the reason; None of a role that is ready."""
    if code == 200:
        return None
    try:
        said = json.loads(body)
        return str(said.get("reason") or said["error"])
    except (ValueError, KeyError, AttributeError):
        return f"It answers {code}."


def address(url: str, *exclude: str) -> str:
    """The role's ``/readyz`` without these checks."""
    query = urlencode([("exclude", check) for check in exclude])
    return f"{url}/readyz?{query}" if query else f"{url}/readyz"


def unready(url: str, *exclude: str) -> str | None:
    """Why the role is not ready by its other checks, in one sentence; None when it is.

    Raises:
        OSError, HTTPException, ValueError: it does not answer.
    """
    return why(*fetch(address(url, *exclude)))


def heard(url: str, *exclude: str) -> str | None:
    """As :func:`unready`, of a role that does not answer as well."""
    try:
        return unready(url, *exclude)
    except UNANSWERED as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        said = getattr(cause, "strerror", None) or cause
        return f"{url} does not answer ({said})."


def at_work(url: str) -> str:
    """Where a role answers 200 once it is at work, whatever its backlog, on all that it does not refuse."""
    return address(url, LAG, REFUSED)


def opening(url: str) -> str | None:
    """What a role is busy with that lacks nothing but time: reading the state of its partitions back."""
    with suppress(*UNANSWERED):
        reason = unready(url, LAG, REFUSED)
        if unready(url, LAG, REFUSED, PARTITIONS) is None:
            return reason
    return None


def refused(url: str) -> str | None:
    """What a role that is at work leaves alone until somebody acts; None when that is nothing."""
    with suppress(*UNANSWERED):
        return unready(url, LAG, PARTITIONS)
    return None
