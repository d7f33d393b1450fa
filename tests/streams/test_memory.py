"""How a role's memory is set up: the C library itself says how many heaps it has."""

from __future__ import annotations

import subprocess
import sys

HEAPS = """
import ctypes, threading
from loopin_streams.memory import settle_memory
if {settled}:
    settle_memory()
kept = []
threads = [threading.Thread(target=lambda: kept.extend(bytes(2000) for _ in range(2000))) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


def test_threads_share_one_heap() -> None:
    def heaps(settled: bool) -> int:
        command = [sys.executable, "-c", HEAPS.format(settled=settled)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.count("<heap nr=")

    assert heaps(settled=False) > 1
    assert heaps(settled=True) == 1
