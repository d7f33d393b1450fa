"""Starts stream workers as processes of their own, each with a probe that may stop it at a named point.

Run as a script. One JSON object a line on stdin, one answer a line on stdout:
``{"start": {...}}`` forks a worker and answers its pid, ``{"poll": pid}`` answers its exit code (negative for
a signal) or null while it lives. Forking spares each worker the second that the imports take.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from loopin_streams.kafka.partition import Limits
from loopin_streams.settings import StreamSettings
from loopin_streams.worker import run_worker


def probe_of(prefix: str, point: str | None, passing: int, signal_name: str) -> Callable[[str], None]:
    """A probe that sends this process a signal at the ``passing``-th passing of ``point``."""
    left = passing

    def probe(passed: str) -> None:
        nonlocal left
        if passed.replace(prefix, "") == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.Signals[signal_name])

    return probe


async def work(order: dict[str, Any]) -> None:
    settings = StreamSettings.model_validate(order["settings"])
    probe = probe_of(
        settings.topic_prefix, order.get("point"), order.get("passing", 1), order.get("signal", "SIGKILL")
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_worker(settings, stop, limits=Limits(**order.get("limits", {})), probe=probe)


def start(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    asyncio.run(work(order))
    sys.exit(0)


def poll(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        answer = start(asked["start"]) if "start" in asked else poll(asked["poll"])
        print(json.dumps(answer), flush=True)
