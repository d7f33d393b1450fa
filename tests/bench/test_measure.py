"""What a process tree costs, against what its processes say of themselves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.bench.measure import ProcessTree

SPENDS = """
import subprocess, sys, time
if sys.argv[1] == "parent":
    argv = [sys.executable, "-c", sys.argv[2], "child", "", sys.argv[3]]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE)
    print(child.stdout.readline().decode(), end="", flush=True)
held = bytearray(int(sys.argv[3]) * 1_000_000)
held[::4096] = b"x" * len(held[::4096])
while time.process_time() < 0.3:
    pass
print(time.process_time(), flush=True)
sys.stdin.read()
"""
MB = 50


@pytest.fixture
def spending() -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", SPENDS, "parent", SPENDS, str(MB)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.communicate()


def test_descendants_count(spending: subprocess.Popen[str]) -> None:
    assert spending.stdout is not None
    with ProcessTree(spending.pid) as tree:
        said = float(spending.stdout.readline()) + float(spending.stdout.readline())

        # The kernel counts in steps of 10 ms, for two processes, each in user and system time.
        assert tree.cpu_s() >= said - 0.04
        assert tree.rss_mb() >= 2 * MB


def test_the_peak_stays_when_the_processes_are_gone(spending: subprocess.Popen[str]) -> None:
    assert spending.stdout is not None
    with ProcessTree(spending.pid) as tree:
        spending.stdout.readline()
        spending.stdout.readline()
        while tree.peak_rss_mb < 2 * MB:
            assert spending.poll() is None
        spending.communicate()

    assert tree.peak_rss_mb >= 2 * MB
