"""A signal handler, or a finalizer, captures while its own thread is inside the client."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys
from loopin_producers import Loopin

options = {
    "usual": {"bootstrap_servers": "127.0.0.1:1"},
    "full": {"bootstrap_servers": "127.0.0.1:1", "max_queue_size": 1},
    "durable": {"bootstrap_servers": "127.0.0.1:1", "durable": True},
    "http": {"url": "http://127.0.0.1:1", "api_key": "key"},
}[sys.argv[1]]
client = Loopin(project="shop", **options)
seen, expected = set(), []


def at_each_line(frame, kind, _):
    # Where a signal may arrive: once at every line of ours that runs in this thread.
    if "loopin_" not in frame.f_code.co_filename:
        return at_each_line if frame.f_code.co_filename.endswith("threading.py") else None
    place = frame.f_code, frame.f_lineno
    if place not in seen:
        seen.add(place)
        expected.append(client.capture("interrupting"))
    return at_each_line


sys.settrace(at_each_line)
for number in range(200):
    expected.append(client.capture("usual", "user-1", {"n": number}))
    if number % 50 == 20:
        client.flush(0.01)
sys.settrace(None)
client.shutdown(0.2)
print(len(expected), *client.stats(), len(seen))
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.parametrize("mode", ["usual", "full", "durable", "http"])
def test_capture_at_any_line_of_a_capture_neither_waits_for_itself_nor_is_lost(
    mode: str, spool_folder: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, mode], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    captured, queued, delivered, failed, dropped, spooled, places = map(int, done.stdout.split())
    assert places > 50
    assert (queued, delivered, failed, dropped, spooled) == (captured, 0, 0, 0, captured)
    assert any(spool_folder.glob("*/*/*.events"))
