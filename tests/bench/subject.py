"""The side of a system under test: its order, and what it says to the bench.

A system runs as ``python -m tests.bench.systems.NAME JOB ORDER`` (the order as JSON) and says each word as a
line of JSON on stdout: ``versions``, ``ready`` once everything is imported, ``first`` at the first record,
``done`` when all are worked off, with what it found, and in J2 ``settled`` when the windows are stored too.
It ends on SIGTERM, or when the bench ends.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from importlib.metadata import version
from time import time
from typing import Any

import msgspec


class Order(msgspec.Struct, kw_only=True):
    """What a system is to work off.

    Args:
        bootstrap: the broker.
        prefix: before the names of topics, groups and transactional ids; nobody else has used it.
        topic: full name of the topic to read, filled before the start.
        out: full name of the topic for results.
        events: records on the topic.
        kept: those that reach the windows (J1), or are valid (J2).
        windows: how many windows they make, the last of which begins at ``last_ms``.
        partitions: of every topic.
        folder: for state and the store; empty.
    """

    bootstrap: str
    prefix: str
    topic: str
    out: str
    events: int
    kept: int
    windows: int = 0
    last_ms: int = 0
    partitions: int
    folder: str


JobOf = Callable[[Order], None]


def say(word: str, **what: Any) -> None:
    """One line to the bench."""
    line = msgspec.json.encode({"word": word, "at": time(), **what}).decode()
    sys.__stdout__.write(line + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


class Progress:
    """Says ``first`` at the first record and ``done`` once ``expected`` are worked off."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self.worked_off = 0
        self._begun = self._done = False

    @property
    def complete(self) -> bool:
        """Whether all are worked off."""
        return self.worked_off >= self._expected

    def begin(self) -> None:
        """A record has come."""
        if not self._begun:
            self._begun = True
            say("first")

    def add(self, count: int = 1, **found: Any) -> None:
        """So many more are worked off; ``found`` goes along with ``done``."""
        self.worked_off += count
        # What is delivered again counts again, so a batch may step over the number.
        if self.complete and not self._done:
            self._done = True
            say("done", **found)


def run(
    jobs: Mapping[str, JobOf], packages: tuple[str, ...], says_ready: frozenset[str] = frozenset()
) -> None:
    """Do what the command line asks for; a job of ``says_ready`` says that word itself."""
    job, order = sys.argv[1:]
    end_with_the_bench()
    say("versions", versions={name: version(name) for name in packages})
    if job not in says_ready:
        say("ready")
    jobs[job](msgspec.json.decode(order, type=Order))


def end_with_the_bench() -> None:
    """End this process when the bench has ended, however it did."""

    def wait() -> None:
        # The bench never writes: an end of this file is its own end.
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
