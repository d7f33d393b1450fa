"""A system under test as a process of its own, bounded in time, and what it cost between two of its words."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

import msgspec

from tests.bench.measure import ProcessTree
from tests.bench.roster import PEERS_APART
from tests.bench.subject import Order

ROOT = Path(__file__).parents[2]
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
"""The peers' own environment: their requirements conflict with ours."""

PACKAGES = ("schemas", "producers", "streams", "sinks", "api", "deploy")
STOP_S = 20.0
LAST_LINES = 15


class SystemFailed(Exception):
    """A system ended or fell silent; the text says which and shows its last lines."""


@dataclass(frozen=True)
class Word:
    """Something that a system said: when by its own clock (epoch s), and the CPU seconds spent by then."""

    word: str
    at: float
    cpu_s: float
    broker_cpu_s: float
    what: dict[str, Any]


class System:
    """A running system: use as a context manager, and wait for its words.

    Args:
        argv: after ``python -m``.
        python: the interpreter.
        log: file for its stderr.
        broker: the broker's processes, whose CPU time is noted at each word.
    """

    def __init__(self, argv: Sequence[str], python: Path, log: Path, broker: ProcessTree) -> None:
        self._name = argv[0]
        self._log = log
        self._words: queue.Queue[Word | None] = queue.Queue()
        self._broker = broker
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [python, "-m", *argv],
                cwd=ROOT,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(map(str, _paths())),
                    "PYTHONUNBUFFERED": "1",
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        self.tree = ProcessTree(self._process.pid)
        self._reader = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self.tree.__enter__()
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.tree.__exit__(kind, error, trace)

    def stop(self) -> None:
        """End it, with all that it has started; a second call does nothing."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        # Whatever it has left behind, or is stuck in, is of its own session.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def wait_for(self, word: str, seconds: float) -> Word:
        """The next such word; others are passed over.

        Raises:
            SystemFailed: it ended, or did not say it within ``seconds``.
        """
        deadline = monotonic() + seconds
        while True:
            try:
                said = self._words.get(timeout=max(0.0, deadline - monotonic()))
            except queue.Empty:
                raise SystemFailed(
                    f"{self._name} did not say {word} within {seconds:.0f} s\n{self._tail()}"
                ) from None
            if said is None:
                raise SystemFailed(f"{self._name} ended with {self._process.wait()}\n{self._tail()}")
            if said.word == word:
                return said

    def wait_for_end(self, seconds: float) -> int:
        """The code with which it ends by itself.

        Raises:
            SystemFailed: not within ``seconds``.
        """
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise SystemFailed(f"{self._name} did not end within {seconds:.0f} s") from None

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            cpu_s, broker_cpu_s = self.tree.cpu_s(), self._broker.cpu_s()
            # Frameworks print greetings of their own.
            with suppress(msgspec.DecodeError, KeyError, TypeError):
                what = msgspec.json.decode(line)
                self._words.put(Word(what.pop("word"), what.pop("at"), cpu_s, broker_cpu_s, what))
        self._words.put(None)

    def _tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-LAST_LINES:])


def start(system: str, job: str, order: Order, log: Path, broker: ProcessTree, *, peers: bool) -> System:
    """Start one of ``systems/``, in the peers' environment or in this one."""
    argv = [f"tests.bench.systems.{system}", job, msgspec.json.encode(order).decode()]
    return System(argv, PEERS_PYTHON if peers else this_python(), log, broker)


def missing_peers() -> frozenset[str]:
    """Systems that are not installed in the peers' environment: Bytewax has no wheel for every Python."""
    if not PEERS_PYTHON.exists():
        return frozenset(PEERS_APART)
    ask = "import importlib.util, sys; print(*(n for n in sys.argv[1:] if importlib.util.find_spec(n)))"
    answer = subprocess.run(
        [PEERS_PYTHON, "-c", ask, *PEERS_APART.values()], capture_output=True, text=True, check=True
    )
    found = answer.stdout.split()
    return frozenset(system for system, package in PEERS_APART.items() if package not in found)


def this_python() -> Path:
    """The interpreter of the project's own environment."""
    return Path(sys.executable)


def _paths() -> list[Path]:
    return [ROOT, *(ROOT / name for name in PACKAGES)]
