"""How far a replay has come, kept in a small JSON file beside the data."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from loopin_producers.replay.errors import ReplayError


class Progress(msgspec.Struct, kw_only=True):
    """State of a replay of one file into one project.

    ``acknowledged`` rows from the start of the file are with the broker or, ``bad`` of them, were passed
    over. ``shift_ms`` was added to every time. ``rows`` is the file's number of rows
    once it is known.
    """

    file_sha256: str
    project: str
    shift_ms: int
    acknowledged: int = 0
    bad: int = 0
    rows: int | None = None

    @property
    def complete(self) -> bool:
        """Whether every row of the file has been dealt with."""
        return self.rows is not None and self.acknowledged >= self.rows


def load_progress(path: Path, file_sha256: str, project: str) -> Progress | None:
    """The progress of an earlier run, or None when there was none.

    Raises:
        ReplayError: it belongs to another file or project, or is damaged.
    """
    try:
        progress = msgspec.json.decode(path.read_bytes(), type=Progress)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ReplayError(
            "progress_unreadable", f"Check or delete the progress file {path}: {error}."
        ) from error
    if (progress.file_sha256, progress.project) != (file_sha256, project):
        other = "file" if progress.file_sha256 != file_sha256 else "project"
        reason = f"Choose another progress file: {path} belongs to the replay of another {other}."
        raise ReplayError("progress_of_another", reason)
    return progress


def save_progress(path: Path, progress: msgspec.Struct) -> None:
    """Replace the file in one step, so that a crash leaves the old or the new one.

    Raises:
        ReplayError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(progress))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise ReplayError("progress_unwritable", f"Make {path} writable: {error.strerror}.") from error
