"""What a running broker leaves in its data folder for other processes to find it."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import psutil

from loopin_deploy.lifeline import same_process


class BrokerState(msgspec.Struct, frozen=True):
    """A broker's process and ports, as of its last start.

    ``started_at`` is the process's start in seconds since the epoch: with it, a number that the system has
    given to another process since is not taken for the broker. The owner is the process that ends the broker
    when it ends itself; both its fields are None for a broker that runs on its own.
    """

    pid: int
    started_at: float
    port: int
    controller_port: int
    owner_pid: int | None = None
    owner_started_at: float | None = None

    @property
    def orphaned(self) -> bool:
        """Whether the owner has died, so that the broker is about to be ended, or should be."""
        if self.owner_pid is None or self.owner_started_at is None:
            return False
        return not same_process(self.owner_pid, self.owner_started_at)


def write_state(path: Path, state: BrokerState) -> None:
    """Replace the file in one step."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_bytes(msgspec.json.encode(state))
    temporary.replace(path)


def read_state(path: Path, data_dir: Path) -> BrokerState | None:
    """State of the broker that runs on ``data_dir`` now; None if none does, whatever the file says."""
    try:
        state = msgspec.json.decode(path.read_bytes(), type=BrokerState)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return state if _is_broker(state, data_dir) else None


def _is_broker(state: BrokerState, data_dir: Path) -> bool:
    try:
        return (
            same_process(state.pid, state.started_at)
            and f"-Dloopin.data={data_dir}" in psutil.Process(state.pid).cmdline()
        )
    except psutil.Error:
        return False
