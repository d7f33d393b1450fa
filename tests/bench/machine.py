"""What the benches run on, and how fast it is: machines of one name differ by several times."""

from __future__ import annotations

import platform
from pathlib import Path
from time import perf_counter

import psutil

ADDITIONS = 10_000_000
TRIES = 3


def machine() -> str:
    """One sentence on what this runs on."""
    memory_gb = psutil.virtual_memory().total / 1e9
    return (
        f"Machine: {_processor()}, {psutil.cpu_count()} cores, {memory_gb:.0f} GB, {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}."
    )


def loop_s(additions: int = ADDITIONS) -> float:
    """Seconds that so many additions in a pure Python loop take, the best of three tries."""
    return min(_timed(additions) for _ in range(TRIES))


def _timed(additions: int) -> float:
    began, total = perf_counter(), 0
    for number in range(additions):
        total += number
    return perf_counter() - began


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
