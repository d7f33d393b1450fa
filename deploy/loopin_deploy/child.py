"""What the supervisor needs to know about one process."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PROBE_TIMEOUT_S = 2.0


def _nothing() -> None:
    """Of a child that has nothing to say."""


@dataclass(frozen=True)
class Child:
    """One process to keep running.

    Args:
        name: names its log file and prefixes its lines.
        argv: program and arguments.
        env: variables added to the supervisor's own environment.
        ready: when the next child may start: an HTTP address that answers 2xx, or a function, called in a
            thread, that answers true; None means at once.
        ready_timeout_s: how long it may take, restarts included, while ``opening`` says nothing.
        opening: called in a thread while the child is not ready: what it is busy with that may take however
            long, in one sentence, or None.
        remark: called in a thread once the child is ready: what a person should know of it all the same, in
            one sentence, or None.
        cwd: folder to run in; None is the supervisor's own.
        started: told the process number at each start.
        guarded: for programs that do not call ``lifeline.exit_with_parent``: a small process of its own ends
            the child when the supervisor is killed.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] | str | None = None
    ready_timeout_s: float = 180.0
    opening: Callable[[], str | None] = _nothing
    remark: Callable[[], str | None] = _nothing
    cwd: Path | None = None
    started: Callable[[int], None] | None = None
    guarded: bool = False


def is_ready(ready: Callable[[], bool] | str) -> bool:
    """Ask once: call the function, or fetch the HTTP address (for up to 2 s)."""
    if callable(ready):
        return ready()
    # A proxy of the environment cannot reach this machine's loopback address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(ready, timeout=_PROBE_TIMEOUT_S):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except (OSError, http.client.HTTPException):
        return False
