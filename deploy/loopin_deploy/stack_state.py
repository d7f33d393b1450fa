"""Where a running system is found."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from loopin_deploy.lifeline import started_at

STATE_FILE = "stack.json"
HOST = "127.0.0.1"


class StackState(msgspec.Struct, frozen=True):
    """Where a running system is found, kept in its data folder for other commands."""

    pid: int
    bootstrap: str
    api_url: str
    worker_url: str
    trainer_url: str = ""

    @property
    def urls(self) -> dict[str, str]:
        """Where each role answers, by name."""
        trainer = {"trainer": self.trainer_url} if self.trainer_url else {}
        return {"stream": self.worker_url, **trainer, "store": self.api_url}


def read_state(folder: Path) -> StackState | None:
    """The state of the system that runs on a data folder, or None; one that was killed left a stale file."""
    with suppress(OSError, msgspec.DecodeError):
        state = msgspec.json.decode((folder / STATE_FILE).read_bytes(), type=StackState)
        return state if started_at(state.pid) is not None else None
    return None
