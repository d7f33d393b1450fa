"""The folder that holds everything one `loopin up` keeps: broker, store, logs, progress and secrets."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loopin_deploy.errors import DeployError, cannot_write

MIN_FREE_BYTES = 256 * 1024 * 1024
_LOCK = ".lock"


@dataclass(frozen=True)
class DataFolder:
    """Where each part lies in the data folder at ``path``."""

    path: Path

    @property
    def kafka(self) -> Path:
        """The broker's folder."""
        return self.path / "kafka"

    @property
    def store(self) -> Path:
        """The embedded store's folder."""
        return self.path / "store"

    @property
    def logs(self) -> Path:
        """One log file for each process."""
        return self.path / "logs"

    @property
    def progress(self) -> Path:
        """What resumable work, such as a replay, has done so far."""
        return self.path / "progress"

    @property
    def secrets(self) -> Path:
        """The file of keys that `own_secrets.load_or_create_secrets` keeps."""
        return self.path / "secrets.json"


@contextmanager
def open_data_folder(path: Path) -> Iterator[DataFolder]:
    """Create the folder if needed and hold it for this process alone.

    The lock goes with the process, however that ends, so nothing has to be cleaned up after a kill.

    Raises:
        DeployError: ``data_folder_in_use``, ``folder_not_writable`` or ``disk_full``.
    """
    folder = DataFolder(path.expanduser().absolute())
    try:
        _create(folder)
        lock = _lock(folder.path)
    except OSError as error:
        raise cannot_write(folder.path, error) from error
    try:
        yield folder
    finally:
        os.close(lock)


def holder(path: Path) -> int | None:
    """Number of the process that holds the data folder now, or None."""
    lock_path = path.expanduser().absolute() / _LOCK
    try:
        with lock_path.open("rb") as lock:
            if _locked(lock.fileno(), fcntl.LOCK_SH):
                return None
            return _pid_in(lock.read())
    except OSError:
        return None


def _create(folder: DataFolder) -> None:
    # A folder that was there keeps its rights: it may be shared with other things. Its parts are closed.
    folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    for part in (folder.kafka, folder.store, folder.logs, folder.progress):
        part.mkdir(exist_ok=True, mode=0o700)
    if (free := shutil.disk_usage(folder.path).free) < MIN_FREE_BYTES:
        raise DeployError(
            "disk_full",
            str(folder.path),
            f"The disk that holds {folder.path} has {free // 2**20} MB left and at least "
            f"{MIN_FREE_BYTES // 2**20} MB are needed: free some space or use another folder.",
        )


def _lock(path: Path) -> int:
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _locked(lock, fcntl.LOCK_EX):
            pid = _pid_in(os.read(lock, 4096))
            raise DeployError(
                "data_folder_in_use",
                str(path),
                f"The data folder {path} is in use{f' by process {pid}' if pid else ''}: "
                "stop that one first (`loopin down`) or use another folder.",
            )
        os.ftruncate(lock, 0)
        os.write(lock, json.dumps({"pid": os.getpid()}).encode())
    except BaseException:
        os.close(lock)
        raise
    return lock


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid_in(content: bytes) -> int | None:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return int(json.loads(content)["pid"])
    return None
