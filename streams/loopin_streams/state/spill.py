"""Where a job keeps its state, as the settings say: in memory, or on disk in a folder of this process."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from loopin_streams.state.keyed_store import DiskStore, KeyedStore, MemoryStore


def keyed_store(folder: Path | None, name: str, cache_mb: int) -> KeyedStore:
    """An empty store; ``name`` is that of the job and its partition (``enrich-3``).

    With ``folder`` it is kept there, with ``cache_mb`` of it in memory.
    """
    if folder is None:
        return MemoryStore()
    _remove_stale(folder)
    # By process: while a partition moves, its former owner on this machine may still hold its own.
    return DiskStore(folder / f"{name}-{os.getpid()}", cache_mb)


def _remove_stale(folder: Path) -> None:
    """Remove what processes that were killed have left."""
    for left in folder.glob("*-*-*"):
        owner = left.name.rpartition("-")[2]
        if owner.isdecimal() and _ended(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def _ended(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        # Another user's, or no process of ours at all.
        return False
    return False
